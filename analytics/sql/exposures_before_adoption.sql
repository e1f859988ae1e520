-- One row per session of the latest campaign and number of contacts.
-- How often is an agent contacted until it is first activated? (Sessions that record contacts; seeds left out.)
-- Plot: line exposures share
WITH first_activations AS (
    SELECT position, session, replicate, agent, round
    FROM files.activations
    JOIN campaign_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
        AND occasion = 1
        AND infector IS NOT NULL
),
contacts AS (
    SELECT position, replicate, dst AS agent, round
    FROM files.propagation_events
    JOIN campaign_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
),
exposed AS (
    SELECT session, replicate, agent, count(*) AS exposures
    FROM first_activations
    JOIN contacts USING (position, replicate, agent)
    WHERE contacts.round <= first_activations.round
    GROUP BY session, replicate, agent
)
SELECT
    session,
    exposures,
    count(*) AS activations,
    count(*) / sum(count(*)) OVER (PARTITION BY session) AS share
FROM exposed
GROUP BY session, exposures
ORDER BY session, exposures

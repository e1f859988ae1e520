-- One row per session of the latest campaign and number of rounds.
-- How many rounds lie between an agent's activation and those it causes? (Sessions that record activations.)
-- Plot: line rounds share
WITH activated AS (
    SELECT position, session, replicate, agent, infector, round
    FROM files.activations
    JOIN campaign_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
)
SELECT
    later.session,
    later.round - earlier.round AS rounds,
    count(*) AS activations,
    count(*) / sum(count(*)) OVER (PARTITION BY later.session) AS share
FROM activated AS later
ASOF JOIN activated AS earlier
    ON later.position = earlier.position
    AND later.replicate = earlier.replicate
    AND later.infector = earlier.agent
    AND later.round > earlier.round
GROUP BY later.session, later.round - earlier.round
ORDER BY later.session, rounds

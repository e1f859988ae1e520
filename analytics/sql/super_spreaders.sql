-- One row per session of the latest campaign and agent, the most contagious first.
-- Who activates most others? (Sessions that record activations.)
WITH caused AS (
    SELECT session, session_id, replicate, infector AS agent, count(*) AS activated
    FROM files.activations
    JOIN campaign_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
        AND infector IS NOT NULL
    GROUP BY session, session_id, replicate, infector
),
spreaders AS (
    SELECT session, session_id, agent, sum(activated) AS activated, count(*) AS replicates_with_activations
    FROM caused
    GROUP BY session, session_id, agent
    QUALIFY row_number() OVER (PARTITION BY session ORDER BY sum(activated) DESC, agent) <= /* limit */ 10
)
SELECT
    session,
    agent_id,
    activated / replicates AS activated_per_replicate,
    replicates_with_activations / replicates AS share_of_replicates
FROM spreaders
JOIN propagation_sessions USING (session_id)
JOIN files.network_agents USING (snapshot_id, agent)
ORDER BY session, activated DESC, agent

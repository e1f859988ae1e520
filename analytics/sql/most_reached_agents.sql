-- One row per session of the latest campaign and agent, the most certain first.
-- Whom does the message reach almost always? (Sessions that record reach; seeds left out.)
WITH reached AS (
    SELECT position, session, session_id, agent, probability, mean_round
    FROM files.reach
    JOIN campaign_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
        AND mean_round > 0 -- seeds are reached in round 0, and nobody else
    QUALIFY row_number() OVER (PARTITION BY position ORDER BY probability DESC, mean_round, agent) <= /* limit */ 10
)
SELECT
    session,
    agent_id,
    probability,
    mean_round
FROM reached
JOIN propagation_sessions USING (session_id)
JOIN files.network_agents USING (snapshot_id, agent)
ORDER BY session, probability DESC, mean_round, agent

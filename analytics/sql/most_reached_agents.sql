-- One row per session of the latest campaign and agent, the most certain first.
-- Whom does the message reach almost always? (Sessions that record reach; seeds left out.)
SELECT
    session,
    agent_id,
    probability,
    mean_round
FROM reach
JOIN campaign_sessions USING (session_id)
JOIN propagation_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
    AND NOT list_contains(seed_agents, agent_id)
QUALIFY row_number() OVER (PARTITION BY session ORDER BY probability DESC, mean_round, agent) <= /* limit */ 10
ORDER BY session, probability DESC, mean_round, agent

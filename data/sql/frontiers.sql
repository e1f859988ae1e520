-- One row per session, replicate, round and transmitting agent.
WITH published AS (
    SELECT session_id, replicate, round, agent, infector FROM files.frontiers
),
-- Plans that publish no frontiers: whoever is activated in a round transmits from then on.
implied AS (
    SELECT session_id, replicate, round, agent, infector
    FROM files.activations
    ANTI JOIN (SELECT DISTINCT session_id FROM files.frontiers) USING (session_id)
),
frontiers AS (
    SELECT * FROM published
    UNION ALL
    SELECT * FROM implied
),
sessions AS (
    SELECT session_id, snapshot_id FROM files.propagation_sessions
),
agents AS (
    SELECT snapshot_id, agent, agent_id FROM files.network_agents
)
-- Rounds of an unfinished run show before its session is published: their agent_id is null until then.
SELECT
    frontiers.*,
    agents.agent_id
FROM frontiers
LEFT JOIN sessions USING (session_id)
LEFT JOIN agents
    ON agents.snapshot_id = sessions.snapshot_id AND agents.agent = frontiers.agent

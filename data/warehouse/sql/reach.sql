-- One row per session and agent reached in at least one replicate.
WITH reach AS (
    SELECT * FROM files.reach
),
sessions AS (
    SELECT session_id, snapshot_id FROM files.propagation_sessions
),
agents AS (
    SELECT snapshot_id, agent, agent_id FROM files.network_agents
)
SELECT
    reach.*,
    agents.agent_id
FROM reach
LEFT JOIN sessions USING (session_id)
LEFT JOIN agents
    ON agents.snapshot_id = sessions.snapshot_id AND agents.agent = reach.agent

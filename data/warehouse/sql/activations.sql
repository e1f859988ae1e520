-- One row per session, replicate and activation.
WITH activations AS (
    SELECT * FROM files.activations
),
sessions AS (
    SELECT session_id, snapshot_id FROM files.propagation_sessions
),
agents AS NOT MATERIALIZED (
    SELECT snapshot_id, agent, agent_id FROM files.network_agents
)
SELECT
    activations.*,
    activated.agent_id,
    infectors.agent_id AS infector_id
FROM activations
LEFT JOIN sessions USING (session_id)
LEFT JOIN agents AS activated
    ON activated.snapshot_id = sessions.snapshot_id AND activated.agent = activations.agent
LEFT JOIN agents AS infectors
    ON infectors.snapshot_id = sessions.snapshot_id AND infectors.agent = activations.infector

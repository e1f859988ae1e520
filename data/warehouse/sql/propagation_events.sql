-- One row per session, replicate, round and contact.
WITH contacts AS (
    SELECT
        *,
        md5(concat_ws('/', session_id, replicate, round, src, dst))::UUID::VARCHAR AS event_id
    FROM files.propagation_events
),
sessions AS (
    SELECT session_id, snapshot_id, message_id FROM files.propagation_sessions
),
agents AS NOT MATERIALIZED (
    SELECT snapshot_id, agent, agent_id FROM files.network_agents
)
SELECT
    contacts.*,
    sessions.message_id,
    sources.agent_id AS source_agent_id,
    targets.agent_id AS target_agent_id,
    contacts.round AS timestamp
FROM contacts
LEFT JOIN sessions USING (session_id)
LEFT JOIN agents AS sources
    ON sources.snapshot_id = sessions.snapshot_id AND sources.agent = contacts.src
LEFT JOIN agents AS targets
    ON targets.snapshot_id = sessions.snapshot_id AND targets.agent = contacts.dst

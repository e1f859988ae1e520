-- One row per directed edge of a network snapshot.
WITH edges AS (
    SELECT * FROM files.network_edges
),
agents AS NOT MATERIALIZED (
    SELECT snapshot_id, agent, agent_id FROM files.network_agents
)
SELECT
    edges.*,
    sources.agent_id AS source_agent_id,
    targets.agent_id AS target_agent_id
FROM edges
LEFT JOIN agents AS sources
    ON sources.snapshot_id = edges.snapshot_id AND sources.agent = edges.src
LEFT JOIN agents AS targets
    ON targets.snapshot_id = edges.snapshot_id AND targets.agent = edges.dst

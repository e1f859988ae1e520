-- One row per agent of an analysed network snapshot.
WITH metrics AS (
    SELECT * FROM files.agent_metrics
),
agents AS (
    SELECT snapshot_id, agent, agent_id FROM files.network_agents
)
SELECT
    metrics.*,
    agents.agent_id
FROM metrics
LEFT JOIN agents
    ON agents.snapshot_id = metrics.snapshot_id AND agents.agent = metrics.agent

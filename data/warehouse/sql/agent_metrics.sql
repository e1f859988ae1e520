-- One row per agent of an analysed network snapshot, with null in the columns of metrics not asked for so far.
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

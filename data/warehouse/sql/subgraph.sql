-- One row per agent within some hops of an agent, in the current snapshot of a network.
WITH RECURSIVE snapshot AS (
    SELECT networks.snapshot_id
    FROM files.networks AS networks
    LEFT JOIN files.current_networks AS latest USING (network_id)
    WHERE networks.network_id = network_name
    ORDER BY latest.snapshot_id IS NOT DISTINCT FROM networks.snapshot_id DESC, networks.created_at DESC
    LIMIT 1
),
agents AS NOT MATERIALIZED (
    SELECT agent, agent_id, in_degree, out_degree
    FROM files.network_agents
    WHERE snapshot_id = (SELECT snapshot_id FROM snapshot)
),
links AS NOT MATERIALIZED (
    SELECT src AS agent, dst AS neighbor
    FROM files.network_edges
    WHERE snapshot_id = (SELECT snapshot_id FROM snapshot) AND direction IN ('out', 'both')
    UNION ALL
    SELECT dst AS agent, src AS neighbor
    FROM files.network_edges
    WHERE snapshot_id = (SELECT snapshot_id FROM snapshot) AND direction IN ('in', 'both')
),
ball (agent, distance) USING KEY (agent) AS (
    SELECT agent, 0 AS distance
    FROM agents
    WHERE agent_id = CAST(center AS VARCHAR)
    UNION
    SELECT reached.agent, min(reached.distance) AS distance
    FROM (
        SELECT links.neighbor AS agent, ball.distance + 1 AS distance
        FROM links
        INNER JOIN ball USING (agent)
        WHERE
            ball.distance < radius
            -- Only the parts of files that may have these agents are read.
            AND links.agent BETWEEN (SELECT min(agent) FROM ball) AND (SELECT max(agent) FROM ball)
    ) AS reached
    ANTI JOIN recurring.ball AS found USING (agent)
    GROUP BY reached.agent
)
SELECT
    agents.agent_id,
    ball.distance,
    agents.in_degree,
    agents.out_degree
FROM ball
INNER JOIN agents USING (agent)
ORDER BY ball.distance, ball.agent
LIMIT max_agents

-- One row per agent within some hops of an agent, in the current snapshot of a network.
WITH RECURSIVE snapshot AS (
    SELECT
        coalesce(
            (
                SELECT networks.snapshot_id
                FROM files.networks AS networks
                LEFT JOIN files.current_networks AS latest USING (network_id)
                WHERE networks.network_id = network_name
                ORDER BY latest.snapshot_id IS NOT DISTINCT FROM networks.snapshot_id DESC, networks.created_at DESC
                LIMIT 1
            ),
            error('subgraph: there is no network ''' || coalesce(CAST(network_name AS VARCHAR), 'NULL') || '''')
        ) AS snapshot_id
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
),
mistakes AS (
    SELECT
        'agent ''' || coalesce(CAST(center AS VARCHAR), 'NULL') || ''' is not in network ''' || network_name || ''''
            AS mistake
    WHERE NOT EXISTS (SELECT 1 FROM ball)
    UNION ALL
    SELECT 'direction ''' || coalesce(CAST(direction AS VARCHAR), 'NULL') || ''' is unknown: give out, in or both'
    WHERE coalesce(direction NOT IN ('out', 'in', 'both'), true)
    UNION ALL
    SELECT 'radius ' || coalesce(CAST(radius AS VARCHAR), 'NULL') || ' is not a whole number of at least 0'
    WHERE coalesce(radius < 0 OR radius <> floor(CAST(radius AS DOUBLE)), true)
    UNION ALL
    SELECT 'max_agents ' || max_agents || ' is not a whole number of at least 1'
    WHERE max_agents < 1 OR max_agents <> floor(CAST(max_agents AS DOUBLE))
),
nearest AS (
    SELECT
        agents.agent_id,
        ball.distance,
        agents.in_degree,
        agents.out_degree,
        ball.agent
    FROM ball
    INNER JOIN agents USING (agent)
    UNION ALL
    SELECT error('subgraph: ' || mistake), NULL, NULL, NULL, NULL
    FROM mistakes
)
SELECT
    agent_id,
    distance,
    in_degree,
    out_degree
FROM nearest
ORDER BY distance, agent
LIMIT CASE WHEN max_agents >= 1 THEN max_agents END

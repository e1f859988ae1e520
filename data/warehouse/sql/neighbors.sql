-- One row per agent asked for and neighbour of it, in the current snapshot of a network.
WITH snapshot AS (
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
            error('neighbors: there is no network ''' || coalesce(CAST(network_name AS VARCHAR), 'NULL') || '''')
        ) AS snapshot_id
),
named AS (
    SELECT DISTINCT
        unnest(
            CASE json_type(to_json(agent_names))
                WHEN 'ARRAY' THEN to_json(agent_names) ->> '$[*]'
                ELSE [to_json(agent_names) ->> '$']
            END
        ) AS agent_id
),
agents AS NOT MATERIALIZED (
    SELECT agent, agent_id, in_degree, out_degree
    FROM files.network_agents
    WHERE snapshot_id = (SELECT snapshot_id FROM snapshot)
),
edges AS NOT MATERIALIZED (
    SELECT src, dst
    FROM files.network_edges
    WHERE snapshot_id = (SELECT snapshot_id FROM snapshot)
),
asked AS (
    SELECT agents.agent, agents.agent_id
    FROM agents
    INNER JOIN named USING (agent_id)
),
links AS (
    SELECT asked.agent_id, edges.dst AS neighbor, 'out' AS relation
    FROM asked
    INNER JOIN edges ON edges.src = asked.agent
    WHERE direction IN ('out', 'both')
    UNION ALL
    SELECT asked.agent_id, edges.src AS neighbor, 'in' AS relation
    FROM asked
    INNER JOIN edges ON edges.dst = asked.agent
    WHERE direction IN ('in', 'both')
),
neighbors AS (
    SELECT agent_id, neighbor, CASE count(*) WHEN 2 THEN 'both' ELSE any_value(relation) END AS relation
    FROM links
    GROUP BY agent_id, neighbor
),
mistakes AS (
    SELECT 'agent ''' || named.agent_id || ''' is not in network ''' || network_name || '''' AS mistake
    FROM named
    ANTI JOIN asked USING (agent_id)
    UNION ALL
    SELECT 'direction ''' || coalesce(CAST(direction AS VARCHAR), 'NULL') || ''' is unknown: give out, in or both'
    WHERE coalesce(direction NOT IN ('out', 'in', 'both'), true)
)
SELECT
    neighbors.agent_id,
    agents.agent_id AS neighbor_id,
    neighbors.relation AS direction,
    agents.in_degree,
    agents.out_degree
FROM neighbors
INNER JOIN agents ON agents.agent = neighbors.neighbor
UNION ALL
SELECT error('neighbors: ' || mistake), NULL, NULL, NULL, NULL
FROM mistakes

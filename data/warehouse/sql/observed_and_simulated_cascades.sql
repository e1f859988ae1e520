-- One row per cascade, observed or simulated, of current sets and of sessions whose trees of infectors were measured.
SELECT
    'observed' AS origin,
    current.cascade_set AS name,
    cascades.cascade,
    cascades.cascade_id,
    cascades.size,
    cascades.duration,
    sets.time_unit,
    cascades.trees,
    cascades.tree_depth,
    cascades.structural_virality,
    cascades.generation_interval
FROM files.observed_cascades AS cascades
JOIN files.current_cascade_sets AS current USING (cascade_set_id)
JOIN files.observed_cascade_sets AS sets USING (cascade_set_id)
UNION ALL
SELECT
    'simulated' AS origin,
    shapes.session_id AS name,
    shapes.replicate AS cascade,
    CAST(shapes.replicate AS VARCHAR) AS cascade_id,
    shapes.size,
    shapes.duration,
    'rounds' AS time_unit,
    shapes.trees,
    shapes.tree_depth,
    shapes.structural_virality,
    shapes.generation_interval
FROM files.cascade_shapes AS shapes

-- One row per observed cascade and agent that it activated.
SELECT
    activations.*,
    current.cascade_set,
    cascades.cascade_id
FROM files.observed_activations AS activations
LEFT JOIN files.current_cascade_sets AS current USING (cascade_set_id)
LEFT JOIN files.observed_cascades AS cascades USING (cascade_set_id, cascade)

-- One row per imported set of observed cascades.
SELECT
    sets.*,
    current.cascade_set_id IS NOT NULL AS is_current
FROM files.observed_cascade_sets AS sets
LEFT JOIN files.current_cascade_sets AS current USING (cascade_set, cascade_set_id)

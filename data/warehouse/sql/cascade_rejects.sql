-- One row per rejected row of an imported set of observed cascades.
SELECT
    rejects.*,
    current.cascade_set
FROM files.cascade_rejects AS rejects
LEFT JOIN files.current_cascade_sets AS current USING (cascade_set_id)

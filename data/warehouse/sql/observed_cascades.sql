-- One row per observed cascade.
SELECT
    cascades.*,
    current.cascade_set
FROM files.observed_cascades AS cascades
LEFT JOIN files.current_cascade_sets AS current USING (cascade_set_id)

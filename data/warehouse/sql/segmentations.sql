-- One row per segmentation of a network's agents.
SELECT
    segmentations.*,
    current.segmentation_id IS NOT NULL AS is_current
FROM files.segmentations AS segmentations
LEFT JOIN files.current_segmentations AS current USING (snapshot_id, segmentation, segmentation_id)

-- One row per cascade of the set imported last, in the order of the source: its shape.
SELECT *
FROM observed_cascades
WHERE cascade_set_id = (SELECT max_by(cascade_set_id, imported_at) FROM observed_cascade_sets)
ORDER BY cascade

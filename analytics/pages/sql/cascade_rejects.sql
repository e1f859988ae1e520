-- One row per rejected row of the set imported last, in the order of the source.
SELECT *
FROM cascade_rejects
WHERE cascade_set_id = (SELECT max_by(cascade_set_id, imported_at) FROM observed_cascade_sets)
ORDER BY reject

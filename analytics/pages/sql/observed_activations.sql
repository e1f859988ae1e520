-- One row per cascade of the set imported last and agent that it activated, in the order of activation.
SELECT *
FROM observed_activations
WHERE cascade_set_id = (SELECT max_by(cascade_set_id, imported_at) FROM observed_cascade_sets)
ORDER BY cascade, "order"

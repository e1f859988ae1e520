-- One row per surrogate: a Gaussian process that predicts reach from parameters.
SELECT
    surrogates.*,
    current.surrogate_id IS NOT NULL AS is_current
FROM files.surrogates AS surrogates
LEFT JOIN files.current_surrogates AS current USING (surrogate, network_id, surrogate_id)

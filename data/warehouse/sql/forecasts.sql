-- One row per model, set of cascades, and cascade that was forecast.
SELECT
    forecasts.*,
    models.forecast_model,
    sets.cascade_set
FROM files.forecasts AS forecasts
LEFT JOIN files.current_forecast_models AS models USING (model_id)
LEFT JOIN files.current_cascade_sets AS sets USING (cascade_set_id)

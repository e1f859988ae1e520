-- One row per model that forecasts cascades.
SELECT
    models.*,
    current.model_id IS NOT NULL AS is_current
FROM files.forecast_models AS models
LEFT JOIN files.current_forecast_models AS current USING (forecast_model, model_id)

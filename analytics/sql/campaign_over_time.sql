-- One row per session and run of all campaigns named as the latest, the latest first.
-- How did the campaign's results change from one run to the next?
SELECT
    completed_at,
    session,
    network_id,
    snapshot_id,
    reach,
    reach_standard_error,
    reach - lag(reach) OVER (PARTITION BY session ORDER BY completed_at) AS change
FROM campaign_results
WHERE campaign IN (SELECT campaign FROM campaigns WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns))
ORDER BY completed_at DESC, position

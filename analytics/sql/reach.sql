-- One row per session of the latest campaign, the largest reach first.
-- Which session reaches most agents?
-- Plot: bar reach
SELECT
    session,
    round(total_influenced, 1) AS reach,
    round(total_influenced_standard_error, 1) AS reach_standard_error
FROM campaign_sessions
JOIN propagation_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
ORDER BY total_influenced DESC, session

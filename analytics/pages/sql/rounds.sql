-- One row per session of the latest campaign and round, in the order of the campaign.
SELECT session, propagation_metrics.*
FROM propagation_metrics
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
ORDER BY position, round

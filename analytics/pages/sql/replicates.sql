-- One row per session of the latest campaign and replicate, in the order of the campaign.
SELECT session, cascades.*
FROM cascades
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
ORDER BY position, replicate

-- One row per session of the latest campaign, in its order.
SELECT *
FROM campaign_results
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
ORDER BY position

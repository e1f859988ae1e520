-- One row per session of the latest campaign and agent that it reached in any replicate, the most probable first.
SELECT session, agent_id, times_reached, probability, mean_round
FROM reach
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
ORDER BY position, probability DESC, agent_id

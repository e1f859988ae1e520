-- One row per session of the latest campaign and round with activations.
-- How many agents does each newly active agent activate, round by round?
-- Plot: line round reproduction_number
SELECT
    session,
    round,
    new_infections AS newly_active_agents,
    reproduction_rate AS reproduction_number
FROM propagation_metrics
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
    AND new_infections > 0
ORDER BY position, round

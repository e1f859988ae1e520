-- One row per session of the latest campaign and round.
-- How many agents has the message reached by each round?
-- Plot: line round reach
SELECT
    session,
    round,
    metrics.total_influenced AS reach,
    metrics.total_influenced_standard_error AS reach_standard_error,
    metrics.total_influenced_q05 AS q05,
    metrics.total_influenced_q95 AS q95,
    metrics.total_influenced / agents AS share_of_agents
FROM propagation_metrics AS metrics
JOIN campaign_sessions USING (session_id)
JOIN propagation_sessions USING (session_id)
JOIN networks USING (network_id, snapshot_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
ORDER BY position, round

-- One row per session of the latest campaign, the earliest first.
-- By which round has the message made half, and nine tenths, of its way?
-- Plot: bar half_of_reach_by_round
SELECT
    session,
    min(round) FILTER (metrics.total_influenced >= 0.5 * sessions.total_influenced) AS half_of_reach_by_round,
    min(round) FILTER (metrics.total_influenced >= 0.9 * sessions.total_influenced) AS nine_tenths_by_round,
    max(round) FILTER (new_infections > 0) AS last_activation_in_round
FROM propagation_metrics AS metrics
JOIN campaign_sessions USING (session_id)
JOIN propagation_sessions AS sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session
ORDER BY half_of_reach_by_round, session

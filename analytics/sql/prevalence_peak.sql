-- One row per session of the latest campaign, the highest peak first.
-- How many agents are active at once at the peak, and in which round?
-- Plot: bar active_at_once
SELECT
    session,
    max(current_infected) AS active_at_once,
    arg_max(round, (current_infected, -round)) AS in_round
FROM propagation_metrics
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session
ORDER BY active_at_once DESC, session

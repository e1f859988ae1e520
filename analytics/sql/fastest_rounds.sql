-- One row per session of the latest campaign, the fastest first.
-- In which round does the message spread fastest?
-- Plot: bar newly_active_agents
SELECT
    session,
    round AS fastest_round,
    round(new_infections, 1) AS newly_active_agents,
    round(reproduction_rate, 2) AS reproduction_rate
FROM propagation_metrics
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
    AND round > 0 -- round 0 holds the seeds
QUALIFY 1 = row_number() OVER (
    PARTITION BY session ORDER BY new_infections DESC, round
)
ORDER BY new_infections DESC, session

-- One row per session of the latest campaign, the fastest first.
-- How many agents does the message reach per round, and when is its peak?
-- Plot: bar agents_per_round
SELECT
    session,
    sum(size) / nullif(sum(rounds), 0) AS agents_per_round,
    avg(rounds) AS mean_rounds,
    avg(peak_round) AS mean_peak_round
FROM cascades
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session
ORDER BY agents_per_round DESC NULLS LAST, session

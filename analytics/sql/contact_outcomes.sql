-- One row per session of the latest campaign and outcome.
-- What becomes of contacts? (Sessions that record contacts.)
-- Plot: bar share event_type
SELECT
    session,
    event_type,
    count(*) AS contacts,
    count(*) / sum(count(*)) OVER (PARTITION BY session) AS share
FROM files.propagation_events
JOIN campaign_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session, event_type
ORDER BY session, contacts DESC, event_type

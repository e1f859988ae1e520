-- One row per session of the latest campaign and round.
-- How many contacts are there in each round, and how many of them succeed? (Sessions that record contacts.)
-- Plot: line round contacts_per_replicate
SELECT
    session,
    round,
    count(*) / any_value(replicates) AS contacts_per_replicate,
    count_if(event_type = 'received') / count(*) AS share_received
FROM files.propagation_events
JOIN campaign_sessions USING (session_id)
JOIN propagation_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session, round
ORDER BY session, round

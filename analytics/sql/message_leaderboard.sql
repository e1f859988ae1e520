-- One row per message of the latest campaign, the largest reach first.
-- Which message reaches most agents?
-- Plot: bar largest_reach message
SELECT
    coalesce(messages.name, 'no message') AS message,
    any_value(messages.message_type) AS message_type,
    count(*) AS sessions,
    avg(total_influenced) AS mean_reach,
    max(total_influenced) AS largest_reach,
    arg_max(session, total_influenced) AS best_session
FROM campaign_sessions
JOIN propagation_sessions USING (session_id)
LEFT JOIN messages USING (message_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY message_id, messages.name
ORDER BY largest_reach DESC, message

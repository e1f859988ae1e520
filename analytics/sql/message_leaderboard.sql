-- One row per message of the latest campaign, alone and in competition, the largest reach first.
-- Which message reaches most agents, alone and in competition with others (where this is recorded: activations)?
-- Plot: bar largest_reach message spreads
WITH reached AS (
    SELECT campaign_id, session, propagation_sessions.message_id, 'alone' AS spreads, total_influenced AS reach
    FROM campaign_sessions
    JOIN propagation_sessions USING (session_id)
    WHERE seed_messages IS NULL
    UNION ALL
    SELECT campaign_id, session, message_reach.message_id, 'in competition' AS spreads, reach
    FROM campaign_sessions
    JOIN message_reach USING (session_id)
)
SELECT
    coalesce(messages.name, message_id, 'no message') AS message,
    any_value(messages.message_type) AS message_type,
    spreads,
    count(*) AS sessions,
    avg(reach) AS mean_reach,
    max(reach) AS largest_reach,
    arg_max(session, reach) AS best_session
FROM reached
LEFT JOIN messages USING (message_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY message_id, messages.name, spreads
ORDER BY largest_reach DESC, message, spreads

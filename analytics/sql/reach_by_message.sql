-- One row per session of the latest campaign in which messages compete, and message, in the order of the campaign.
-- What does each competing message reach (in sessions that record activations)?
-- Plot: bar reach message
SELECT
    session,
    message,
    message_reach.reach,
    message_reach.reach_standard_error,
    message_reach.reach / sum(message_reach.reach) OVER (PARTITION BY session) AS share_of_adopters,
    message_reach.replicates
FROM campaign_sessions
JOIN message_reach USING (session_id)
JOIN propagation_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
ORDER BY position, list_position(seed_messages, message_reach.message_id)

-- One row per session in which messages compete and activations are recorded, and message.
WITH sizes AS (
    SELECT session_id, message_id, replicate, count(*) AS size
    FROM files.activations
    WHERE message_id IS NOT NULL
    GROUP BY session_id, message_id, replicate
),
reach AS (
    SELECT
        session_id::VARCHAR AS session_id,
        message_id::VARCHAR AS message_id,
        count(*)::INTEGER AS replicates,
        avg(size) AS reach,
        CASE WHEN count(*) > 1 THEN stddev_samp(size) / sqrt(count(*)) END AS reach_standard_error
    FROM sizes
    GROUP BY session_id, message_id
)
SELECT
    reach.session_id,
    reach.message_id,
    coalesce(messages.name, reach.message_id) AS message,
    reach.replicates,
    reach.reach,
    reach.reach_standard_error
FROM reach
LEFT JOIN files.messages AS messages USING (message_id)

-- One row per session in which messages compete and activations are recorded, and message.
WITH competing AS (
    SELECT session_id, replicates, unnest(list_distinct(seed_messages)) AS message_id
    FROM files.propagation_sessions
    WHERE seed_messages IS NOT NULL AND record IN ('activations', 'contacts')
),
sizes AS (
    SELECT session_id::VARCHAR AS session_id, message_id::VARCHAR AS message_id, replicate, count(*)::DOUBLE AS size
    FROM files.activations
    WHERE message_id IS NOT NULL
    GROUP BY session_id, message_id, replicate
),
sums AS (
    SELECT session_id, message_id, sum(size) AS total, sum(size * size) AS squares
    FROM sizes
    GROUP BY session_id, message_id
),
reach AS (
    -- A message that starts later adopts nobody in replicates in which others reach all of its seeds first.
    SELECT
        competing.session_id,
        competing.message_id,
        competing.replicates,
        coalesce(sums.total, 0.0) / competing.replicates AS reach,
        coalesce(sums.squares, 0.0) AS squares
    FROM competing
    LEFT JOIN sums USING (session_id, message_id)
)
SELECT
    reach.session_id,
    reach.message_id,
    coalesce(messages.name, reach.message_id) AS message,
    reach.replicates,
    reach.reach,
    CASE WHEN reach.replicates > 1 THEN
        sqrt(greatest(reach.squares / reach.replicates - reach.reach * reach.reach, 0.0) / (reach.replicates - 1))
    END AS reach_standard_error
FROM reach
LEFT JOIN files.messages AS messages USING (message_id)

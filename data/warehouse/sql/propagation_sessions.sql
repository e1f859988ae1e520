-- One row per session: one message with its seed set, simulated over all replicates.
SELECT
    *,
    md5(concat_ws(' ', epoch_us(started_at), job_seconds, job_lanes)) AS job_id
FROM files.propagation_sessions

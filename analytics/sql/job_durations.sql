-- One row per job of the latest campaign, the longest first.
-- How long did jobs take, and how good were their estimates?
SELECT
    job_id,
    count(*) AS sessions,
    string_agg(session, ', ' ORDER BY position) AS session_names,
    any_value(plan) AS plan,
    any_value(estimated_seconds) AS estimated_seconds,
    any_value(job_seconds) AS job_seconds,
    any_value(job_seconds) / any_value(estimated_seconds) AS times_the_estimate,
    any_value(peak_bytes) / any_value(estimated_bytes) AS memory_times_the_estimate
FROM campaign_results
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY job_id
ORDER BY job_seconds DESC, job_id

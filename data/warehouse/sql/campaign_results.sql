-- One row per campaign and session in it, with the seeds as the campaign requested them, and the result.
WITH requested AS (
    SELECT campaign_id, unnest(json_extract(configuration, '$.sessions[*]')) AS session_json
    FROM files.campaigns
),
seeds AS (
    SELECT
        campaign_id,
        session_json ->> '$.name' AS session,
        coalesce(session_json ->> '$.seeds.strategy', 'explicit') AS strategy,
        (session_json ->> '$.seeds.budget')::BIGINT AS budget,
        CASE WHEN json_type(session_json, '$.seeds') = 'OBJECT' THEN session_json ->> '$.seeds' END AS strategy_parameters
    FROM requested
)
SELECT
    campaigns.campaign,
    campaign_sessions.session,
    sessions.network_id,
    CASE WHEN sessions.seed_messages IS NULL THEN seeds.strategy ELSE sessions.seed_strategy END AS strategy,
    coalesce(seeds.budget, len(sessions.seed_agents)) AS budget,
    seeds.strategy_parameters,
    sessions.propagation_model,
    sessions.model_parameters,
    sessions.replicates,
    sessions.total_influenced AS reach,
    sessions.total_influenced_standard_error AS reach_standard_error,
    sessions.rounds,
    sessions.stopped_because,
    sessions.plan,
    sessions.estimated_seconds,
    sessions.job_seconds,
    sessions.estimated_bytes,
    sessions.peak_bytes,
    sessions.job_id,
    campaigns.completed_at,
    campaign_sessions.position,
    campaign_sessions.session_id,
    sessions.snapshot_id,
    campaign_sessions.campaign_id
FROM files.campaign_sessions AS campaign_sessions
INNER JOIN files.campaigns AS campaigns USING (campaign_id)
INNER JOIN propagation_sessions AS sessions USING (session_id)
LEFT JOIN seeds ON campaign_sessions.campaign_id = seeds.campaign_id AND campaign_sessions.session = seeds.session

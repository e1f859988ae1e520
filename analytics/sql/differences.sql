-- One row per session of the latest campaign but the best, the closest first.
-- How far is each session behind the best one, replicate by replicate?
-- Plot: bar agents_behind
WITH sizes AS (
    SELECT session, session_id, replicate, size, random_seed
    FROM cascades
    JOIN campaign_sessions USING (session_id)
    JOIN propagation_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
),
best AS (
    SELECT session, session_id
    FROM sizes
    GROUP BY session, session_id
    ORDER BY avg(size) DESC, session
    LIMIT 1
)
SELECT
    other.session,
    any_value(leader.session) AS best_session,
    avg(leader.size - other.size) AS agents_behind,
    stddev_samp(leader.size - other.size) / sqrt(count(*)) AS agents_behind_standard_error,
    any_value(leader.random_seed = other.random_seed) AS common_random_numbers
FROM sizes AS other
JOIN sizes AS leader USING (replicate)
WHERE leader.session = (SELECT session FROM best)
    AND other.session <> leader.session
GROUP BY other.session
ORDER BY agents_behind, other.session

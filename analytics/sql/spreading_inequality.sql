-- One row per session of the latest campaign, the most unequal first.
-- Do a few agents cause most activations? (Sessions that record activations.)
-- Plot: bar share_by_top_tenth
WITH caused AS (
    SELECT session, infector, count(*) AS activated
    FROM files.activations
    JOIN campaign_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
        AND infector IS NOT NULL
    GROUP BY session, infector
),
ranked AS (
    SELECT
        session,
        activated,
        percent_rank() OVER (PARTITION BY session ORDER BY activated DESC) AS rank
    FROM caused
)
SELECT
    session,
    count(*) AS agents_who_activated_others,
    coalesce(sum(activated) FILTER (rank < 0.1), 0) / sum(activated) AS share_by_top_tenth
FROM ranked
GROUP BY session
ORDER BY share_by_top_tenth DESC, session

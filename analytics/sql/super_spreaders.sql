-- One row per session of the latest campaign and agent, the most contagious first.
-- Who activates most others? (Sessions that record activations.)
SELECT
    session,
    infector_id AS agent_id,
    count(*) / any_value(replicates) AS activated_per_replicate,
    count(DISTINCT replicate) / any_value(replicates) AS share_of_replicates
FROM activations
JOIN campaign_sessions USING (session_id)
JOIN propagation_sessions USING (session_id)
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
    AND infector IS NOT NULL
GROUP BY session, infector, infector_id
QUALIFY row_number() OVER (PARTITION BY session ORDER BY count(*) DESC, infector) <= /* limit */ 10
ORDER BY session, count(*) DESC, infector

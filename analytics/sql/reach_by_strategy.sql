-- One row per seed strategy, budget and model of the latest campaign, the largest reach first.
-- Which way of choosing seeds reaches most agents, and how many per seed?
-- Plot: bar mean_reach strategy
SELECT
    strategy,
    budget,
    propagation_model,
    count(*) AS sessions,
    avg(reach) AS mean_reach,
    max(reach) AS largest_reach,
    avg(reach) / budget AS reach_per_seed
FROM campaign_results
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY strategy, budget, propagation_model
ORDER BY mean_reach DESC, strategy, budget, propagation_model

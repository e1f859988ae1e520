-- One row per session of the latest campaign and value of an agent attribute.
-- Which groups of agents does the message reach? (Sessions that record reach.)
SELECT
    session,
    /* attribute */ out_degree AS attribute,
    count(*) AS agents,
    avg(coalesce(probability, 0)) AS share_reached,
    avg(mean_round) AS mean_round
FROM campaign_sessions
JOIN propagation_sessions USING (session_id)
JOIN files.network_agents AS agents USING (snapshot_id)
LEFT JOIN files.reach AS reach ON reach.session_id = campaign_sessions.session_id AND reach.agent = agents.agent
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
    AND record <> 'rounds'
GROUP BY ALL
ORDER BY session, attribute

-- One row per session of the latest campaign and value of an agent attribute.
-- Which groups of agents does the message reach, and when? (Sessions that record reach; mean_round is over all times that agents are reached.)
WITH sessions AS (
    SELECT session, session_id, snapshot_id
    FROM campaign_sessions
    JOIN propagation_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
        AND record <> 'rounds'
),
everybody AS (
    SELECT snapshot_id, /* attribute */ out_degree AS attribute, count(*) AS agents
    FROM files.network_agents
    SEMI JOIN sessions USING (snapshot_id)
    GROUP BY ALL
),
reached AS (
    SELECT
        session_id,
        agents./* attribute */ out_degree AS attribute,
        sum(probability) AS reached_per_replicate,
        sum(probability * reach.mean_round) / sum(probability) AS mean_round
    FROM files.reach AS reach
    JOIN sessions USING (session_id)
    JOIN files.network_agents AS agents USING (snapshot_id, agent)
    GROUP BY ALL
)
SELECT
    session,
    everybody.attribute,
    agents,
    coalesce(reached_per_replicate, 0) / agents AS share_reached,
    mean_round
FROM sessions
JOIN everybody USING (snapshot_id)
LEFT JOIN reached
    ON reached.session_id = sessions.session_id
    AND reached.attribute IS NOT DISTINCT FROM everybody.attribute
ORDER BY session, everybody.attribute

-- One row per session of the latest campaign and agent, the most often contacted first.
-- Who hears the message again and again and never takes it up? (Sessions that record contacts.)
WITH contacted AS (
    SELECT session, session_id, replicate, dst AS agent, count(*) AS contacts
    FROM files.propagation_events
    JOIN campaign_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
    GROUP BY session, session_id, replicate, dst
),
unmoved AS (
    SELECT session, session_id, agent, count(*) AS replicates_without, sum(contacts) AS contacts
    FROM contacted
    ANTI JOIN files.activations USING (session_id, replicate, agent)
    GROUP BY session, session_id, agent
)
SELECT
    session,
    agent_id,
    unmoved.contacts / replicates AS contacts_per_replicate,
    replicates_without / replicates AS share_without_adoption
FROM unmoved
JOIN propagation_sessions USING (session_id)
JOIN files.network_agents USING (snapshot_id, agent)
QUALIFY row_number() OVER (PARTITION BY session ORDER BY unmoved.contacts DESC, agent) <= /* limit */ 10
ORDER BY session, unmoved.contacts DESC, agent

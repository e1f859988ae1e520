-- One row per session of the latest campaign and agent, the most often contacted first.
-- Who hears the message again and again and never takes it up? (Sessions that record contacts.)
WITH sessions AS (
    SELECT position, session, session_id, snapshot_id, replicates
    FROM campaign_sessions
    JOIN propagation_sessions USING (session_id)
    WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
),
activated AS (
    SELECT position, replicate, agent
    FROM files.activations
    JOIN sessions USING (session_id)
),
contacted AS (
    SELECT position, replicate, dst AS agent
    FROM files.propagation_events
    JOIN sessions USING (session_id)
),
unmoved AS (
    SELECT position, agent, count(*) AS contacts
    FROM contacted
    ANTI JOIN activated USING (position, replicate, agent)
    GROUP BY position, agent
    QUALIFY row_number() OVER (PARTITION BY position ORDER BY count(*) DESC, agent) <= /* limit */ 10
),
-- Counting replicates is dear, and needed for few agents only.
without AS (
    SELECT position, agent, any_value(contacts) AS contacts, count(DISTINCT replicate) AS replicates_without
    FROM contacted
    JOIN unmoved USING (position, agent)
    ANTI JOIN activated USING (position, replicate, agent)
    GROUP BY position, agent
)
SELECT
    session,
    agent_id,
    contacts / replicates AS contacts_per_replicate,
    replicates_without / replicates AS share_without_adoption
FROM without
JOIN sessions USING (position)
JOIN files.network_agents USING (snapshot_id, agent)
ORDER BY session, contacts DESC, agent

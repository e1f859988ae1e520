-- One row per session, replicate, round and transmitting agent, for runs of the reference plan and for sessions with recorded activations whose agents transmit only in the round after their activation.
WITH sessions AS (
    SELECT session_id, snapshot_id, propagation_model, record FROM files.propagation_sessions
),
-- In these models an agent transmits only in the round after its activation, so activations imply frontiers.
once AS (
    SELECT session_id, propagation_model
    FROM sessions
    WHERE
        propagation_model IN (
            'independent_cascade', 'viral', 'hybrid', 'linear_threshold', 'diffusion', 'fractional_threshold'
        )
        AND record IN ('activations', 'contacts')
),
implied AS (
    SELECT
        session_id,
        replicate,
        round,
        agent,
        CASE
            WHEN propagation_model IN ('independent_cascade', 'viral', 'hybrid') THEN 'active'
            ELSE 'newly_active'
        END AS compartment,
        round AS since,
        occasion
    FROM files.activations
    INNER JOIN once USING (session_id)
),
-- All other sessions, and unfinished runs: the rows that the reference plan has published.
published AS (
    SELECT session_id, replicate, round, agent, compartment, since, occasion
    FROM files.frontiers
    ANTI JOIN once USING (session_id)
),
frontiers AS (
    SELECT * FROM published
    UNION ALL
    SELECT * FROM implied
),
agents AS (
    SELECT snapshot_id, agent, agent_id FROM files.network_agents
)
-- Rounds of an unfinished run appear before its session is published, with a null agent_id until then.
SELECT
    frontiers.*,
    agents.agent_id
FROM frontiers
LEFT JOIN sessions USING (session_id)
LEFT JOIN agents
    ON agents.snapshot_id = sessions.snapshot_id AND agents.agent = frontiers.agent

-- One row per session of the latest campaign and number of rounds.
-- How many rounds lie between an agent's activation and those it causes? (Sessions that record activations.)
-- Plot: line rounds share
SELECT
    session,
    later.round - earlier.round AS rounds,
    count(*) AS activations,
    count(*) / sum(count(*)) OVER (PARTITION BY session) AS share
FROM files.activations AS later
JOIN campaign_sessions USING (session_id)
ASOF JOIN files.activations AS earlier
    ON later.session_id = earlier.session_id
    AND later.replicate = earlier.replicate
    AND later.infector = earlier.agent
    AND later.round > earlier.round
WHERE campaign_id = (SELECT max_by(campaign_id, completed_at) FROM campaigns)
GROUP BY session, later.round - earlier.round
ORDER BY session, rounds

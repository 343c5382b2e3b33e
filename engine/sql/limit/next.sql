-- Lets those who stand aside for the keys $1, whose rows are locked, try again: as many as there is room for, by what the
-- first of them says, the best and oldest first; of a sequence, whose turn it is. Returns where they stand now.
-- Moves: aside -> ready. Index: job_blocked, slot_pkey, job_pkey, sequence_begun, sequence_pkey, dead_letter_pkey.
WITH room AS MATERIALIZED (
    SELECT key.key, first.at_a_time - (
        SELECT count(*) FROM engine.slot s
        WHERE s.key = key.key AND s.token = (SELECT j.token FROM engine.job j WHERE j.id = s.job AND j.state = 1)
    ) AS free
    FROM unnest($1::text[]) AS key(key), LATERAL (
        SELECT max((own.value ->> 'at_a_time')::bigint) AS at_a_time
        FROM (SELECT j.limits FROM engine.job j WHERE j.blocked_on = 'limit:' || key.key ORDER BY j.priority, j.created_at LIMIT 1) best,
             json_array_elements(best.limits) own
        WHERE own.value ->> 'key' = key.key
    ) first
), next AS MATERIALIZED (
    SELECT best.id FROM room, LATERAL (
        SELECT j.id FROM engine.job j WHERE j.blocked_on = 'limit:' || room.key ORDER BY j.priority, j.created_at
        LIMIT greatest(room.free, 0) FOR UPDATE SKIP LOCKED
    ) best
), turns AS MATERIALIZED (
    SELECT 'limit:' || key AS waited_for, engine.first_of(key) AS job FROM unnest($1::text[]) AS key
), first AS MATERIALIZED (
    -- Without coalesce the planner may walk through all who stand aside: that these do would follow.
    SELECT j.id FROM engine.job j
    WHERE j.id = ANY (ARRAY(SELECT job FROM turns)) AND coalesce(j.blocked_on, '') = ANY (ARRAY(SELECT waited_for FROM turns WHERE turns.job = j.id))
    FOR UPDATE SKIP LOCKED
)
UPDATE engine.job j SET lane = j.priority, share = CASE WHEN j.takes_turns THEN engine.share(j.workspace) ELSE 0 END, run_at = engine.clock(), blocked_on = NULL
WHERE j.id = ANY (ARRAY(SELECT id FROM next UNION ALL SELECT id FROM first))
RETURNING j.queue, j.lane, j.share

-- Takes a dead letter, or the latest degraded or cancelled end, back into the queue, due in $2 seconds, with its token and its
-- checkpoints; attempts and crashes count anew. What is in review only where $3 says that it is resolved. Moves: dead letter | history -> ready.
WITH letter AS (
    DELETE FROM engine.dead_letter WHERE id = $1 AND reason <> 'undone' AND ($3 OR reason <> 'review') RETURNING *
), source AS (
    SELECT id, workspace, kind, queue, priority, takes_turns, token, unique_key, payload, limits, wakes, created_at FROM letter
    UNION ALL
    (SELECT id, workspace, kind, queue, priority, takes_turns, token, unique_key, payload, limits, NULL, created_at FROM engine.history
     WHERE id = $1 AND outcome IN ('degraded', 'cancelled')
       AND NOT EXISTS (SELECT FROM letter) AND NOT EXISTS (SELECT FROM engine.job WHERE id = $1)
     ORDER BY finished_at DESC LIMIT 1)
), passed AS (
    -- Who could be passed comes after those who have.
    DELETE FROM engine.sequence WHERE job = $1 AND NOT holds
)
INSERT INTO engine.job (id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, takes_turns, share, run_at, token, begun, unique_key, payload,
                        limits, wakes, created_at)
SELECT id, workspace, kind, hashtext(kind), hashtext(queue), queue, priority, priority, takes_turns,
       CASE WHEN takes_turns THEN engine.share(workspace) ELSE 0 END, engine.clock() + make_interval(secs => $2), token, true,
       unique_key, payload, limits, wakes, created_at FROM source
WHERE pg_current_xact_id() IS NOT NULL
ON CONFLICT DO NOTHING
RETURNING queue

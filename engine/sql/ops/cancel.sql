-- Cancels these jobs wherever they are live: terminal, and a late ack finds no row (L10). Returns what limited each, for who waits
-- behind it. Moves: any -> cancelled.
-- Index: job_pkey, dead_letter_pkey.
WITH live AS (
    DELETE FROM engine.job WHERE id = ANY ($1::uuid[]) RETURNING *
), begun AS (
    INSERT INTO engine.step AS s (job, born, name, state, token, starts, started_at)
    SELECT id, created_at, step, 'started', token, starts, begun_at FROM live WHERE step IS NOT NULL
    ON CONFLICT (job, born, name) DO UPDATE SET state = 'started', token = excluded.token, starts = excluded.starts,
        detail = NULL, wake_event = NULL, wake_at = NULL, started_at = excluded.started_at, finished_at = NULL
    WHERE s.state <> 'done'
), dead AS (
    DELETE FROM engine.dead_letter WHERE id = ANY ($1::uuid[])
    RETURNING id, workspace, kind, queue, priority, token, attempt, crashes, unique_key, payload, limits, takes_turns, created_at
)
INSERT INTO engine.history AS h (id, workspace, kind, queue, priority, token, attempt, crashes, unique_key, payload, limits, takes_turns, created_at, outcome, goes)
SELECT *, 'cancelled',
       coalesce((SELECT r.goes FROM engine.retention r WHERE r.queue = gone.queue AND r.outcome = 'cancelled'),
                (SELECT r.goes FROM engine.retention r WHERE r.queue = '' AND r.outcome = 'cancelled'))
FROM (SELECT id, workspace, kind, queue, priority, token, attempt, crashes, unique_key, payload, limits, takes_turns, created_at FROM live
      UNION ALL SELECT * FROM dead) gone
RETURNING h.id, ARRAY(SELECT own.value ->> 'key' FROM json_array_elements(h.limits) own) AS "keys!"

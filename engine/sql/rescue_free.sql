-- Frees the jobs of a dead process. Each counts a crash, apart from failures (L7); at the $2-th it is quarantined.
-- Moves: running -> ready | dead letter. Scans the small hot table once; no index holds the worker.
WITH stuck AS MATERIALIZED (
    SELECT j.id FROM engine.job j WHERE j.worker = $1 AND j.state = 1 ORDER BY j.id FOR UPDATE SKIP LOCKED
), freed AS (
    UPDATE engine.job j SET state = 0, worker = NULL, crashes = j.crashes + 1, attempt = j.attempt - 1, run_at = engine.clock()
    FROM stuck WHERE j.id = stuck.id AND j.crashes + 1 < $2
    RETURNING j.id, j.queue, j.token, j.attempt, j.crashes
), buried AS (
    DELETE FROM engine.job j USING stuck WHERE j.id = stuck.id AND j.crashes + 1 >= $2
    RETURNING j.*
), begun AS (
    INSERT INTO engine.step AS s (job, name, state, token, starts, started_at)
    SELECT id, step, 'started', token, starts, begun_at FROM buried WHERE step IS NOT NULL
    ON CONFLICT (job, name) DO UPDATE SET state = 'started', token = excluded.token, starts = excluded.starts,
        detail = NULL, wake_event = NULL, wake_at = NULL, started_at = excluded.started_at, finished_at = NULL
    WHERE s.state <> 'done'
), letters AS (
    INSERT INTO engine.dead_letter (id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes, unique_key, payload, created_at)
    SELECT id, workspace, kind, queue, priority, 'quarantined', $3, token, attempt, crashes + 1, unique_key, payload, created_at FROM buried
    ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, failure = excluded.failure, token = excluded.token,
        attempt = excluded.attempt, crashes = excluded.crashes, died_at = engine.clock()
), noted AS (
    INSERT INTO engine.failure (job, token, attempt, class, code, message, effect)
    SELECT id, token, attempt, 'TRANSIENT_NETWORK', 'worker_died', $4, 'unknown'
    FROM (SELECT id, token, attempt FROM freed UNION ALL SELECT id, token, attempt FROM buried) gone
)
SELECT id AS "id!", queue AS "queue!", false AS "quarantined!" FROM freed
UNION ALL SELECT id, queue, true FROM buried

-- Frees the jobs of all that were declared dead, and forgets those none of whose jobs runs any more. Each job counts a
-- crash, apart from failures (L7); at the $1-th it is quarantined, with the failure $2. The freed stand before all that
-- has not begun: a backlog must not keep them waiting.
-- Moves: running -> ready | dead letter. Scans the small hot table once for all of them; no index holds the worker. What
-- another rescuer is at is left to it, so that a fleet scans once; the locks end with the statement, whoever sent it.
WITH dead AS MATERIALIZED (
    SELECT d.id, format('process %s on %s', d.pid, d.host) AS who FROM engine.dead_worker d FOR UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    SELECT j.id, dead.id AS worker, dead.who FROM engine.job j JOIN dead ON dead.id = j.worker WHERE j.state = 1
), stuck AS MATERIALIZED (
    -- A write in flight is not waited for: the job is freed by the next round. It may have changed hands since it was found.
    SELECT j.id FROM engine.job j
    WHERE j.id = ANY (ARRAY(SELECT id FROM found)) AND j.state = 1 AND j.worker = ANY (ARRAY(SELECT id FROM dead))
    ORDER BY j.id FOR UPDATE SKIP LOCKED
), freed AS (
    UPDATE engine.job j
    SET state = 0, worker = NULL, crashes = j.crashes + 1, attempt = j.attempt - 1, lane = -1, share = 0, has_turn = false,
        begun = true, run_at = engine.clock()
    WHERE j.id = ANY (ARRAY(SELECT id FROM stuck)) AND j.crashes + 1 < $1
    RETURNING j.id, j.created_at, j.token, j.attempt, j.queue
), buried AS (
    DELETE FROM engine.job j WHERE j.id = ANY (ARRAY(SELECT id FROM stuck)) AND j.crashes + 1 >= $1
    RETURNING j.*
), begun AS (
    INSERT INTO engine.step AS s (job, born, name, state, token, starts, started_at)
    SELECT id, created_at, step, 'started', token, starts, begun_at FROM buried WHERE step IS NOT NULL
    ON CONFLICT (job, born, name) DO UPDATE SET state = 'started', token = excluded.token, starts = excluded.starts,
        detail = NULL, wake_event = NULL, wake_at = NULL, started_at = excluded.started_at, finished_at = NULL
    WHERE s.state <> 'done'
), letters AS (
    INSERT INTO engine.dead_letter (id, workspace, kind, queue, priority, takes_turns, reason, failure, token, attempt, crashes, unique_key, payload, limits, wakes, created_at)
    SELECT b.id, b.workspace, b.kind, b.queue, b.priority, b.takes_turns, 'quarantined',
        jsonb_set($2::jsonb, '{message}', to_jsonb(format('%s; the last was of %s', $2 ->> 'message', found.who))),
        b.token, b.attempt, b.crashes + 1, b.unique_key, b.payload, b.limits, b.wakes, b.created_at
    FROM buried b JOIN found USING (id)
    ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, failure = excluded.failure, token = excluded.token,
        attempt = excluded.attempt, crashes = excluded.crashes, died_at = engine.clock()
), noted AS (
    INSERT INTO engine.failure (job, born, token, attempt, class, code, message, effect)
    SELECT gone.id, gone.created_at, gone.token, gone.attempt, 'TRANSIENT_NETWORK', 'worker_died',
        found.who || ' died or lost its lease while it ran this job', 'unknown'
    FROM (SELECT id, created_at, token, attempt FROM freed UNION ALL SELECT id, created_at, token, attempt FROM buried) gone JOIN found USING (id)
), forgotten AS (
    DELETE FROM engine.dead_worker d WHERE d.id = ANY (ARRAY(SELECT id FROM dead))
    AND d.id NOT IN (SELECT found.worker FROM found LEFT JOIN stuck USING (id) WHERE stuck.id IS NULL)
)
SELECT (SELECT count(*) FROM freed) AS "freed!", (SELECT count(*) FROM buried) AS "quarantined!",
       ARRAY(SELECT DISTINCT queue FROM freed) AS "queues!"

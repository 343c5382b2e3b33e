-- The ordinary writes of attempts of process $1, in one statement and one commit: a step that is done, the next that
-- begins, the job's end. Each row takes effect whole or, where its attempt has been superseded, not at all (L2, L8): the
-- update and the delete are the fence. Returns who owned their job. Moves: running -> completed | degraded.
-- Index: job_pkey, step_pkey. The rows come in the order of their ids, so that two writers never wait for each other.
WITH input AS MATERIALIZED (
    SELECT * FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::bytea[],
                         $10::integer[], $11::double precision[])
        AS i(id, token, begins, starts, outcome, done, output, sealed, done_starts, took)
), kept AS (
    UPDATE engine.job j
    SET step = i.begins, starts = i.starts, begun_at = CASE WHEN i.begins IS NOT NULL THEN engine.clock() END
    FROM input i
    WHERE i.outcome IS NULL AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    RETURNING i.id, i.token, i.done, i.output, i.sealed, i.done_starts, i.took
), gone AS (
    DELETE FROM engine.job j USING input i
    WHERE i.outcome IS NOT NULL AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    RETURNING j.*, i.outcome, i.done, i.output, i.sealed, i.done_starts, i.took
), ended AS (
    INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, created_at)
    SELECT id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, created_at FROM gone
), saved AS (
    INSERT INTO engine.step AS s (job, name, state, token, starts, output, sealed, started_at, finished_at)
    SELECT id, done, 'done', token, done_starts, output::json, sealed, engine.clock() - make_interval(secs => took), engine.clock()
    FROM (SELECT id, token, done, output, sealed, done_starts, took FROM kept
          UNION ALL SELECT id, token, done, output, sealed, done_starts, took FROM gone) mine
    WHERE done IS NOT NULL
    ON CONFLICT (job, name) DO UPDATE
    SET state = excluded.state, token = excluded.token, starts = excluded.starts, output = excluded.output,
        sealed = excluded.sealed, detail = NULL, wake_event = NULL, wake_at = NULL,
        started_at = excluded.started_at, finished_at = excluded.finished_at
    WHERE s.state <> 'done'
)
SELECT id AS "id!", token AS "token!" FROM kept UNION ALL SELECT id, token FROM gone

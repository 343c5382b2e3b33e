-- The ordinary writes of attempts of process $1, in one statement and one commit: a step that is done, the next that
-- begins, the job's end, and jobs that begin here without having waited. Each row takes effect whole or, where its
-- attempt has been superseded, not at all (L2, L8): the update and the delete are the fence. Returns how many own, or
-- owned, their job. Moves: running -> completed | degraded, nothing -> running. Index: job_pkey, step_pkey, worker_pkey.
-- The rows come in the order of their ids, so that two writers never wait for each other. As in a claim, the process's
-- own row is locked before a job begins; while anything is paused, none does: it has to go through the queue. $21 is the step
-- that it begins with, $24 its workspace's share. $20 says of a done step that no row of it can be there yet, which saves
-- looking. $22 are those of the ids that go on, $23 those that end, so that each is looked up once.
WITH me AS MATERIALIZED (
    SELECT FROM engine.worker WHERE id = $1 AND cardinality($12::uuid[]) > 0 FOR KEY SHARE
), starts AS MATERIALIZED (
    SELECT * FROM unnest($12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::smallint[], $24::integer[], $17::text[], $18::text[], $21::text[])
        AS s(id, workspace, kind, queue, priority, share, payload, plan, begins)
), started AS (
    INSERT INTO engine.job (id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, share, takes_turns, created_at, run_at, state, token, attempt, worker, step,
                            starts, begun_at, payload)
    SELECT id, workspace, kind, hashtext(kind), hashtext(queue), queue, priority, priority, share, share > 0, engine.now(), engine.clock(), 1, 1, 1, $1, begins, (begins IS NOT NULL)::integer,
           CASE WHEN begins IS NOT NULL THEN engine.clock() END, payload::json
    FROM starts WHERE EXISTS (SELECT FROM me) AND NOT EXISTS (SELECT FROM engine.pause)
    ON CONFLICT DO NOTHING
    RETURNING id
), runs AS (
    INSERT INTO engine.run (id, workspace, kind, version, plan, created_at)
    SELECT s.id, s.workspace, s.kind, $19, s.plan::jsonb, engine.now() FROM starts s
    WHERE s.plan IS NOT NULL AND s.id IN (SELECT id FROM started)
), input AS MATERIALIZED (
    SELECT * FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::bytea[],
                         $10::integer[], $11::double precision[], $20::boolean[])
        AS i(id, token, begins, starts, outcome, done, output, sealed, done_starts, took, fresh)
), kept AS (
    UPDATE engine.job j
    SET step = i.begins, starts = i.starts, begun_at = CASE WHEN i.begins IS NOT NULL THEN engine.clock() END
    FROM input i
    WHERE j.id = ANY ($22) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    RETURNING i.id, j.created_at, i.token, i.done, i.output, i.sealed, i.done_starts, i.took, i.fresh
), gone AS (
    DELETE FROM engine.job j USING input i
    WHERE j.id = ANY ($23) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    RETURNING j.id, j.workspace, j.kind, j.queue, j.priority, i.outcome, j.token, j.attempt, j.crashes, j.unique_key, j.payload, j.limits, j.takes_turns, j.created_at,
              i.done, i.output, i.sealed, i.done_starts, i.took, i.fresh
), ended AS (
    INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, limits, takes_turns, created_at, goes)
    SELECT id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, limits, takes_turns, created_at,
           coalesce((SELECT r.goes FROM engine.retention r WHERE r.queue = gone.queue AND r.outcome = gone.outcome),
                    (SELECT r.goes FROM engine.retention r WHERE r.queue = '' AND r.outcome = gone.outcome))
    FROM gone
), done AS MATERIALIZED (
    SELECT id, created_at AS born, token, done AS name, output::json, sealed, done_starts AS starts, engine.clock() - make_interval(secs => took) AS began, fresh
    FROM (SELECT id, created_at, token, done, output, sealed, done_starts, took, fresh FROM kept
          UNION ALL SELECT id, created_at, token, done, output, sealed, done_starts, took, fresh FROM gone) mine
    WHERE done IS NOT NULL
), saved AS (
    INSERT INTO engine.step (job, born, name, state, token, starts, output, sealed, started_at, finished_at)
    SELECT id, born, name, 'done', token, starts, output, sealed, began, engine.clock() FROM done WHERE fresh
), saved_again AS (
    INSERT INTO engine.step AS s (job, born, name, state, token, starts, output, sealed, started_at, finished_at)
    SELECT id, born, name, 'done', token, starts, output, sealed, began, engine.clock() FROM done WHERE NOT fresh
    ON CONFLICT (job, born, name) DO UPDATE
    SET state = excluded.state, token = excluded.token, starts = excluded.starts, output = excluded.output,
        sealed = excluded.sealed, detail = NULL, wake_event = NULL, wake_at = NULL,
        started_at = excluded.started_at, finished_at = excluded.finished_at
    WHERE s.state <> 'done'
)
SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM gone) + (SELECT count(*) FROM started) AS "owned!"

-- Enqueues the fork $1 of the run $2, with the same plan and the version that it is of, and with copies of its tags and of the checkpoints $13-$19; nothing where a live job has its unique
-- key. It looks like a job that has begun: with token 1 its first claim looks for checkpoints, and nobody who joins it gives it
-- another payload. As in an enqueue, the transaction's id is taken before the clock is read.
-- Moves: nothing -> ready. Index: job_pkey, job_unique, tag_job.
WITH job AS (
    INSERT INTO engine.job (id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, takes_turns, share, created_at, run_at, token, begun,
                            unique_key, payload, limits)
    SELECT $1, $3, $4, hashtext($4), hashtext($5), $5, $6, $6, $7, CASE WHEN $7 THEN engine.share($3) ELSE 0 END, engine.now(), engine.clock(), 1, true,
           $8, $9::text::json, $10::text::json
    WHERE pg_current_xact_id() IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING id
), run AS (
    INSERT INTO engine.run (id, workspace, kind, version, plan, created_at, forked_from, forked_at)
    SELECT id, $3, $4, $11, $12, engine.now(), $2, $20 FROM job
), steps AS (
    INSERT INTO engine.step (job, born, name, state, token, output, sealed, detail, started_at, finished_at)
    SELECT job.id, engine.now(), s.name, s.state, 0, s.output::json, s.sealed, s.detail, s.started_at, s.finished_at
    FROM job, unnest($13::text[], $14::text[], $15::text[], $16::bytea[], $17::text[], $18::timestamptz[], $19::timestamptz[])
        AS s(name, state, output, sealed, detail, started_at, finished_at)
), tags AS (
    INSERT INTO engine.tag (tag, at, job) SELECT DISTINCT t.tag, engine.now(), job.id FROM job JOIN engine.tag t ON t.job = $2
)
SELECT id AS "id!" FROM job

-- The most ordinary writes of attempts of process $1, lean because they are the most frequent: a step is done, the next
-- begins, and the job goes on. As flush.sql; no row of a done step can be there yet. Returns how many owned their job.
-- Index: job_pkey, step_pkey.
WITH kept AS (
    UPDATE engine.job j
    SET step = i.begins, starts = i.starts, begun_at = CASE WHEN i.begins IS NOT NULL THEN engine.clock() END
    FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::bytea[], $9::integer[],
                $10::double precision[])
             AS i(id, token, begins, starts, done, output, sealed, done_starts, took)
    WHERE j.id = ANY ($2) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    RETURNING i.id, j.created_at, i.token, i.done, i.output, i.sealed, i.done_starts, i.took
), saved AS (
    INSERT INTO engine.step (job, born, name, state, token, starts, output, sealed, started_at, finished_at)
    SELECT id, created_at, done, 'done', token, done_starts, output::json, sealed, engine.clock() - make_interval(secs => took), engine.clock()
    FROM kept WHERE done IS NOT NULL
)
SELECT count(*) AS "owned!" FROM kept

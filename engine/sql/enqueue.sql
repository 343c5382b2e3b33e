-- Enqueues jobs inside the caller's transaction; a live job with the same kind and unique key stays as it is.
-- Moves: nothing -> ready. Index: job_pkey, job_unique. The transaction's id is taken before the clock is read
-- (first filter), so that no row can become visible below a lane's safe mark later.
WITH input AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::timestamptz[],
                         $7::double precision[], $8::text[], $9::jsonb[], $10::jsonb[])
        AS i(id, workspace, kind, queue, priority, run_at, delay, unique_key, payload, plan)
    WHERE pg_current_xact_id() IS NOT NULL
), inserted AS (
    INSERT INTO engine.job (id, workspace, kind, queue, priority, run_at, unique_key, payload)
    SELECT id, workspace, kind, queue, priority,
           greatest(coalesce(run_at, engine.clock()), engine.clock()) + make_interval(secs => coalesce(delay, 0)),
           unique_key, payload
    FROM input
    ORDER BY kind, unique_key, id -- two batches that share keys never wait for each other
    ON CONFLICT DO NOTHING
    RETURNING id
), runs AS (
    INSERT INTO engine.run (id, workspace, kind, version, plan)
    SELECT i.id, i.workspace, i.kind, $11, i.plan
    FROM input i JOIN inserted USING (id)
    WHERE i.plan IS NOT NULL
    ON CONFLICT (id) DO NOTHING
)
SELECT id AS "id!" FROM inserted

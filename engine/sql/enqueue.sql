-- Enqueues jobs, inside the caller's transaction or as one of its own. Returns those that are new, and those whose
-- idempotency key is: a key that was used before enqueues nothing, nor does a unique key that a live job has.
-- Moves: nothing -> ready.
-- Index: enqueue_key_pkey, job_pkey, job_unique. A concurrent enqueue of the same key waits here until we have ended.
-- The transaction's id is taken before the clock is read (first filter), so that no row can become visible below a
-- lane's safe mark later. $13, where given, is locked until the end: whoever gets that lock after the connection broke
-- knows that this has ended. The queues $14 are hinted at with the commit.
WITH guard AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($13::bigint) WHERE $13 IS NOT NULL
), hints AS MATERIALIZED (
    SELECT pg_notify('autopilot', queue) FROM unnest($14::text[]) AS queue
), input AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $6::timestamptz[],
                         $7::double precision[], $8::text[], $9::text[], $10::text[], $11::boolean[])
        AS i(id, workspace, kind, queue, priority, run_at, delay, unique_key, payload, plan, keyed)
    WHERE pg_current_xact_id() IS NOT NULL AND (SELECT count(*) FROM guard) + (SELECT count(*) FROM hints) >= 0
), taken AS (
    INSERT INTO engine.enqueue_key (id, job)
    SELECT id, id FROM input WHERE keyed
    ORDER BY id -- two batches that share keys never wait for each other
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), inserted AS (
    INSERT INTO engine.job (id, workspace, kind, queue, priority, lane, run_at, unique_key, payload)
    SELECT id, workspace, kind, queue, priority, priority,
           greatest(coalesce(run_at, engine.clock()), engine.clock()) + make_interval(secs => coalesce(delay, 0)),
           unique_key, payload::json
    FROM input
    WHERE NOT keyed OR id IN (SELECT id FROM taken)
    ORDER BY kind COLLATE "C", unique_key COLLATE "C", id -- nor two that share unique keys
    ON CONFLICT DO NOTHING
    RETURNING id
), runs AS (
    INSERT INTO engine.run (id, workspace, kind, version, plan)
    SELECT i.id, i.workspace, i.kind, $12, i.plan::jsonb
    FROM input i
    WHERE i.plan IS NOT NULL AND i.id IN (SELECT id FROM inserted)
    ON CONFLICT (id) DO NOTHING
)
SELECT id AS "id!", true AS "new!" FROM inserted UNION ALL SELECT id, false FROM taken

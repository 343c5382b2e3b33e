-- Enqueues jobs, inside the caller's transaction or as one of its own. Returns those that are new, and the idempotency keys
-- that are theirs: a key that was used before, within its window if it has one, enqueues nothing, nor does a unique key that a
-- live job has.
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
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $15::integer[], $6::timestamptz[],
                         $7::double precision[], $8::text[], $9::text[], $10::text[], $11::uuid[], $16::text[], $17::double precision[], $20::text[])
        WITH ORDINALITY
        AS i(id, workspace, kind, queue, priority, share, run_at, delay, unique_key, payload, plan, key, limits, window_secs, wakes, place)
    WHERE pg_current_xact_id() IS NOT NULL AND (SELECT count(*) FROM guard) + (SELECT count(*) FROM hints) >= 0
), taken AS (
    INSERT INTO engine.enqueue_key AS k (id, job, expires_at)
    SELECT DISTINCT ON (key) key, id, engine.clock() + make_interval(secs => window_secs) FROM input WHERE key IS NOT NULL
    ORDER BY key, place -- two batches that share keys never wait for each other
    ON CONFLICT (id) DO UPDATE SET job = excluded.job, created_at = engine.clock(), expires_at = excluded.expires_at
    WHERE k.expires_at <= engine.clock()
    RETURNING id, job
), inserted AS (
    INSERT INTO engine.job (id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, share, takes_turns, created_at, run_at, unique_key, payload, limits, wakes)
    SELECT id, workspace, kind, hashtext(kind), hashtext(queue), queue, priority, priority, share, share > 0, engine.now(),
           greatest(coalesce(run_at, engine.clock()), engine.clock()) + make_interval(secs => coalesce(delay, 0)),
           unique_key, payload::json, limits::json, wakes
    FROM input
    WHERE key IS NULL OR id IN (SELECT job FROM taken)
    ORDER BY kind COLLATE "C", unique_key COLLATE "C", id -- nor two that share unique keys
    ON CONFLICT DO NOTHING
    RETURNING id
), runs AS (
    INSERT INTO engine.run (id, workspace, kind, version, plan, created_at)
    SELECT i.id, i.workspace, i.kind, $12, i.plan::jsonb, engine.now()
    FROM input i
    WHERE i.plan IS NOT NULL AND i.id IN (SELECT id FROM inserted)
), sequences AS (
    INSERT INTO engine.sequence (key, job, holds)
    SELECT own.key, i.id, own.holds FROM input i, engine.sequences(i.limits::json) own
    WHERE i.id IN (SELECT id FROM inserted) ORDER BY i.place
), tags AS (
    INSERT INTO engine.tag (tag, at, job) SELECT t.tag, engine.now(), t.job FROM unnest($18::text[], $19::uuid[]) AS t(tag, job)
    WHERE t.job IN (SELECT id FROM inserted)
)
SELECT id AS "id!", NULL::uuid AS key FROM inserted UNION ALL SELECT job, id FROM taken

-- Enqueues jobs that have no key of any kind, inside the caller's transaction or as one of its own: there is nothing to
-- look up and nothing to answer, so it costs half of enqueue.sql. A job that is there already is an error.
-- Moves: nothing -> ready. Index: job_pkey. As there, the transaction's id is taken before the clock is read, $14 is
-- locked until the end, and the queues $15 are hinted at with the commit. $9 to $12 are the runs among the jobs.
WITH guard AS MATERIALIZED (
    SELECT pg_advisory_xact_lock($14::bigint) WHERE $14 IS NOT NULL
), hints AS MATERIALIZED (
    SELECT pg_notify('autopilot', queue) FROM unnest($15::text[]) AS queue
), runs AS (
    INSERT INTO engine.run (id, workspace, kind, version, plan, created_at)
    SELECT i.id, i.workspace, i.kind, $13, i.plan::jsonb, engine.now()
    FROM unnest($9::uuid[], $10::uuid[], $11::text[], $12::text[]) AS i(id, workspace, kind, plan)
)
INSERT INTO engine.job (id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, share, takes_turns, created_at, run_at, payload)
SELECT i.id, i.workspace, i.kind, hashtext(i.kind), hashtext(i.queue), i.queue, i.priority, i.priority, i.share, i.share > 0, engine.now(),
       greatest(coalesce(i.run_at, engine.clock()), engine.clock()) + make_interval(secs => coalesce(i.delay, 0)),
       i.payload::json
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::smallint[], $16::integer[], $6::timestamptz[], $7::double precision[], $8::text[])
    AS i(id, workspace, kind, queue, priority, share, run_at, delay, payload)
WHERE pg_current_xact_id() IS NOT NULL AND (SELECT count(*) FROM guard) + (SELECT count(*) FROM hints) >= 0

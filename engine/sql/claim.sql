-- Claims ready jobs of the queues $1, up to $2 of each, best lane first, each from its mark $3-$7 (L1). What had begun
-- and lost its process goes before everything.
-- Moves: ready -> running, one more attempt, one more token. Index: job_lane. HOT. Writes nothing when nothing is ready.
-- The claimer's own row $8 is locked before anything is claimed: a process that was declared dead claims nothing, and
-- one that is being declared dead makes the rescue wait until this claim can be seen. The claim's commit does not wait
-- for the disk: whatever depends on it commits after it and does, and if it is lost, the fence knows the process.
WITH chosen AS MATERIALIZED (
    SELECT ready.ctid
    FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
             AS queue(name, free, resumed, critical, high, normal, low),
         LATERAL (
             SELECT first.ctid
             FROM (VALUES (-1::smallint, queue.resumed), (0::smallint, queue.critical), (1::smallint, queue.high),
                          (2::smallint, queue.normal), (3::smallint, queue.low)) AS lane(number, mark),
                  LATERAL (
                      SELECT j.ctid FROM engine.job j
                      WHERE j.queue = queue.name AND j.lane = lane.number AND j.state = 0
                        AND j.run_at >= lane.mark AND j.run_at <= engine.now()
                      ORDER BY j.run_at
                      LIMIT queue.free FOR UPDATE SKIP LOCKED
                  ) first
             LIMIT queue.free
         ) ready
), me AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true) FROM engine.worker
    WHERE id = $8 AND EXISTS (SELECT FROM chosen) FOR KEY SHARE
)
UPDATE engine.job j
SET state = 1, token = j.token + 1, attempt = j.attempt + 1, worker = $8, again = false
WHERE j.ctid = ANY (ARRAY(SELECT ctid FROM chosen)) AND EXISTS (SELECT FROM me)
RETURNING j.id, j.workspace, j.kind, j.queue, j.lane, j.run_at, j.token, j.attempt, j.crashes, j.step, j.starts,
          j.payload::text AS "payload!"

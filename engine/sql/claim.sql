-- Claims up to $4 ready jobs of queue $1, best priority first, each lane from its mark (L1).
-- Moves: ready -> running, one more attempt, one more token. Index: job_lane. HOT.
-- The claimer's own row is locked first: a process that was declared dead claims nothing, and one that is being
-- declared dead makes the rescue wait until this claim can be seen.
WITH me AS MATERIALIZED (
    SELECT id FROM engine.worker WHERE id = $2 FOR KEY SHARE
), chosen AS MATERIALIZED (
    SELECT ready.ctid
    FROM me, unnest($3::smallint[], $5::timestamptz[]) AS lane(priority, mark),
         LATERAL (
             SELECT j.ctid FROM engine.job j
             WHERE j.queue = $1 AND j.priority = lane.priority AND j.state = 0
               AND j.run_at >= lane.mark AND j.run_at <= engine.now()
             ORDER BY j.run_at, j.id
             LIMIT $4 FOR UPDATE SKIP LOCKED
         ) ready
    LIMIT $4
)
UPDATE engine.job j
SET state = 1, token = j.token + 1, attempt = j.attempt + 1, worker = $2, again = false
WHERE j.ctid = ANY (ARRAY(SELECT ctid FROM chosen))
RETURNING j.id, j.workspace, j.kind, j.queue, j.priority, j.run_at, j.token, j.attempt, j.crashes, j.payload

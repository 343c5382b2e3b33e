-- Claims ready jobs of the queues $1, up to $2 of each, from the lanes that the claimer asks of it, in the claimer's order:
-- its own are those from $3 to $4 of $5-$8, each with its share, the mark that it is asked from, and how many it may give (L1).
-- Only of the kinds $10 (one whose name has the same hash is given back by its attempt), and nothing that is paused: what
-- that costs is paid while anything is, and a paused queue is not walked.
-- Moves: ready -> running, one more attempt, one more token. Index: job_lane. HOT. Writes nothing when nothing is ready.
-- The claimer's own row $9 is locked before anything is claimed: a process that was declared dead claims nothing, and
-- one that is being declared dead makes the rescue wait until this claim can be seen. The claim's commit does not wait
-- for the disk: whatever depends on it commits after it and does, and if it is lost, the fence knows the process.
-- What few jobs have comes in one column: each costs the others something.
WITH chosen AS MATERIALIZED (
    SELECT ready.ctid
    FROM unnest($1::text[], $2::bigint[], $3::integer[], $4::integer[]) AS queue(name, free, first_lane, last_lane),
         LATERAL (
             SELECT first.ctid
             FROM unnest(($5::smallint[])[queue.first_lane:queue.last_lane], ($6::integer[])[queue.first_lane:queue.last_lane],
                         ($7::timestamptz[])[queue.first_lane:queue.last_lane], ($8::bigint[])[queue.first_lane:queue.last_lane])
                      AS lane(number, share, mark, most),
                  LATERAL (
                      SELECT j.ctid FROM engine.job j
                      WHERE j.queue_hash = hashtext(queue.name) AND j.queue = queue.name AND j.lane = lane.number AND j.share = lane.share AND j.state = 0
                        AND j.run_at >= lane.mark AND j.run_at <= engine.now()
                        AND j.kind_hash = ANY (ARRAY(SELECT hashtext(kind) FROM unnest($10::text[]) AS kind))
                        AND (NOT EXISTS (SELECT FROM engine.pause p WHERE p.scope <> 'queue')
                             OR (j.kind <> ALL (ARRAY(SELECT p.name FROM engine.pause p WHERE p.scope = 'kind'))
                                 AND j.workspace <> ALL (ARRAY(SELECT p.name::uuid FROM engine.pause p WHERE p.scope = 'workspace'))))
                      ORDER BY j.run_at
                      LIMIT lane.most FOR UPDATE SKIP LOCKED
                  ) first
             LIMIT queue.free
         ) ready
    WHERE queue.name <> ALL (ARRAY(SELECT p.name FROM engine.pause p WHERE p.scope = 'queue'))
), me AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true) FROM engine.worker
    WHERE id = $9 AND EXISTS (SELECT FROM chosen) FOR KEY SHARE
)
UPDATE engine.job j
SET state = 1, token = j.token + 1, attempt = j.attempt + 1, worker = $9, again = false
WHERE j.ctid = ANY (ARRAY(SELECT ctid FROM chosen)) AND EXISTS (SELECT FROM me)
RETURNING j.id, j.workspace, j.kind, j.queue, j.lane, j.share, j.run_at, j.token, j.attempt, j.crashes, j.step, j.starts,
          j.payload::text AS "payload!",
          CASE WHEN j.limits IS NOT NULL OR j.wakes IS NOT NULL THEN
              json_build_object('limits', coalesce(j.limits, '[]'), 'has_turn', j.has_turn, 'wakes', j.wakes)::text
          END AS rare

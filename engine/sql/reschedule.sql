-- Gives running jobs of process $1 back. Moves: running -> ready. `counts` false returns the attempt (sleep, wait, drain),
-- `released` lets it run elsewhere before all that has not begun, `parked` takes the earliest wake time of the run's waiting
-- steps, or now when another look was asked for while it ran. run_at never lies in the past of the clock, so nothing becomes
-- ready below a safe mark. Index: job_pkey; leaves job_lane behind (not HOT).
WITH mine AS (
    SELECT i.*, j.created_at, j.again AND i.parked AS look
    FROM unnest($2::uuid[], $3::bigint[], $4::double precision[], $5::boolean[], $6::boolean[], $7::boolean[],
                $8::boolean[])
         AS i(id, token, delay, counts, parked, crashed, released)
    JOIN engine.job j ON j.id = ANY ($2) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
), woken AS (
    UPDATE engine.step s SET wake_at = engine.clock()
    FROM mine WHERE s.job = ANY (ARRAY(SELECT id FROM mine WHERE look)) AND s.job = mine.id AND s.born = mine.created_at
      AND s.state LIKE 'waiting' AND s.wake_event IS NOT NULL -- not `=`: the index of all that waits is no way to find it
)
UPDATE engine.job j
SET state = 0, worker = NULL, again = false, has_turn = false, begun = true,
    attempt = j.attempt - (NOT i.counts)::integer,
    crashes = j.crashes + i.crashed::integer,
    lane = CASE WHEN i.released THEN -1 ELSE j.priority END,
    share = CASE WHEN j.takes_turns AND NOT i.released THEN engine.share(j.workspace) ELSE 0 END,
    run_at = CASE
        WHEN i.look THEN engine.clock()
        WHEN i.parked THEN (
            -- A step that was due and was not reached again must not turn the run into a busy loop.
            SELECT CASE WHEN min(s.wake_at) <= engine.clock() THEN engine.clock() + interval '1 second'
                        ELSE coalesce(min(s.wake_at), engine.clock()) END
            FROM engine.step s WHERE s.job = j.id AND s.born = j.created_at AND s.state = 'waiting')
        ELSE engine.clock() + make_interval(secs => i.delay)
    END
FROM mine i
WHERE j.id = ANY ($2) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)

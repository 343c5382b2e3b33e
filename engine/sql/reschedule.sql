-- Gives running jobs back. Moves: running -> ready. `counts` false returns the attempt (sleep, wait, drain),
-- `parked` takes the earliest wake time of the run's waiting steps. run_at never lies in the past of the clock,
-- so nothing becomes ready below a safe mark. Index: job_pkey; leaves job_lane behind (not HOT).
UPDATE engine.job j
SET state = 0, worker = NULL,
    attempt = j.attempt - (NOT i.counts)::integer,
    crashes = j.crashes + i.crashed::integer,
    run_at = CASE
        WHEN i.parked THEN greatest(engine.clock(),
            (SELECT min(s.wake_at) FROM engine.step s WHERE s.job = j.id AND s.state = 'waiting'))
        ELSE engine.clock() + make_interval(secs => i.delay)
    END
FROM unnest($1::uuid[], $2::bigint[], $3::double precision[], $4::boolean[], $5::boolean[], $6::boolean[])
     AS i(id, token, delay, counts, parked, crashed)
WHERE j.id = i.id AND j.token = i.token AND j.state = 1

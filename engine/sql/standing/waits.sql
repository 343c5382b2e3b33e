-- The steps of the runs $1, created at $2, that wait. Index: step_pkey, once for each run.
SELECT s.job AS "job!", s.name AS "step!", coalesce(s.detail, '') AS "reason!", s.wake_at AS "until!",
       CASE WHEN starts_with(s.wake_event, 'signal:breaker/') THEN substr(s.wake_event, 16) END AS breaker
FROM unnest($1::uuid[], $2::timestamptz[]) AS run(id, created_at)
CROSS JOIN LATERAL (SELECT * FROM engine.step s WHERE s.job = run.id AND s.born = run.created_at AND s.state = 'waiting' OFFSET 0) s
ORDER BY s.job, s.wake_at

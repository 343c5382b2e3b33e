-- The checkpoints of the job $1, created at $2, whole, in the order in which they ended, and then those that have not; the step
-- that is under way stands in the job's own row. By `begun_by` a step had been begun, if that is known: its end, or its first failure.
-- Index: step_pkey, job_pkey, failure_job.
SELECT name AS "name!", state AS "state!", starts AS "starts!", output::text AS output, sealed, detail, started_at AS "started_at!", finished_at,
       least(finished_at, (SELECT min(f.at) FROM engine.failure f WHERE f.job = $1 AND f.born = $2 AND f.step = name)) AS begun_by
FROM (
    SELECT name, state, starts, output, sealed, detail, started_at, finished_at FROM engine.step s
    WHERE job = $1 AND born = $2 AND (state = 'done' OR NOT EXISTS (SELECT FROM engine.job j WHERE j.id = $1 AND j.step = s.name))
    UNION ALL
    SELECT j.step, 'started', j.starts, NULL, NULL, NULL, j.begun_at, NULL FROM engine.job j
    WHERE j.id = $1 AND j.step IS NOT NULL
      AND NOT EXISTS (SELECT FROM engine.step s WHERE s.job = $1 AND s.born = $2 AND s.name = j.step AND s.state = 'done')
) steps
ORDER BY finished_at NULLS LAST, started_at, name

-- The steps of the run $1, created at $2, that were begun; the one that is under way stands in the job's own row. One whose end is not
-- known, and that waits for who can tell, waits.
SELECT name AS "name!", state AS "state!", starts AS "starts!", detail, wake_at, started_at AS "started_at!", finished_at
FROM (
    SELECT name, state, starts, detail, wake_at, started_at, finished_at FROM engine.step s
    WHERE job = $1 AND born = $2 AND (state = 'done' OR NOT EXISTS (
        SELECT FROM engine.job j WHERE j.id = $1 AND j.step = s.name AND (j.state = 1 OR s.wake_at IS NULL OR s.wake_at <= engine.now())))
    UNION ALL
    SELECT j.step, 'started', j.starts, NULL, NULL, j.begun_at, NULL FROM engine.job j
    WHERE j.id = $1 AND j.step IS NOT NULL
      AND NOT EXISTS (SELECT FROM engine.step s WHERE s.job = $1 AND s.born = $2 AND s.name = j.step
                      AND (s.state = 'done' OR j.state = 0 AND s.wake_at > engine.now()))
) steps
ORDER BY started_at

-- The checkpoints of a run, and the clock they are judged by.
SELECT name, state, starts, outages, output::text AS output, sealed, detail, wake_at, (wake_at IS NOT NULL AND wake_at <= engine.now()) AS "due!",
       (deadline IS NOT NULL AND deadline <= engine.now()) AS "over!"
FROM engine.step WHERE job = $1 AND born = (SELECT j.created_at FROM engine.job j WHERE j.id = $1)

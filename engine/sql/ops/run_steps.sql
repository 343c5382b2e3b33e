-- The steps of a run that were begun.
SELECT name, state, starts, detail, wake_at, started_at, finished_at FROM engine.step WHERE job = $1 ORDER BY started_at

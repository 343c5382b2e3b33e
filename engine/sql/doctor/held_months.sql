-- Months whose jobs should all have gone by now, and what holds them. Reads the jobs, the dead letters and the history.
SELECT to_char(month, 'YYYY-MM') AS "month!", held.live AS "live!", held.dead AS "dead!"
FROM (
    SELECT to_date(c.relname, '"step_"YYYY_MM') AS month FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'engine.step'::regclass AND c.relname ~ '^step_\d'
    OFFSET 0
) months, LATERAL engine.held_by(month) AS held
WHERE month + interval '1 month' + (SELECT max(keep) FROM engine.retention) <= engine.now() AT TIME ZONE 'UTC' AND (held.live > 0 OR held.dead > 0)
ORDER BY 1

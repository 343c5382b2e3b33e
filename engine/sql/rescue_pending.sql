-- The dead whose jobs are not all free yet.
SELECT id, host, pid FROM engine.dead_worker ORDER BY declared_at, id

-- A drained process leaves; the jobs it could not give back one by one are freed as after a crash, but at once: it looks for
-- them itself, and where it does not get to it, others do.
WITH gone AS (DELETE FROM engine.worker WHERE id = $1 RETURNING id, host, pid)
INSERT INTO engine.dead_worker (id, host, pid) SELECT id, host, pid FROM gone ON CONFLICT DO NOTHING

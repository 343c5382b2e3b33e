-- Extends the lease of a process, all its jobs with it (L4). 0 rows: it was declared dead.
UPDATE engine.worker SET seen = engine.clock() WHERE id = $1

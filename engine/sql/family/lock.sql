-- Locks these jobs, children and parents, and whoever else waits for the ends $2 of these children, in the order of their ids, as
-- everybody does. Index: job_pkey, step_event.
SELECT id FROM engine.job
WHERE id = ANY ($1::uuid[] || ARRAY(SELECT s.job FROM engine.step s WHERE s.state = 'waiting' AND s.wake_event = ANY ($2::text[])))
ORDER BY id FOR NO KEY UPDATE

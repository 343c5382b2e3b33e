-- Locks these jobs, children and parents, in the order of their ids, as everybody does. Index: job_pkey.
SELECT id FROM engine.job WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE

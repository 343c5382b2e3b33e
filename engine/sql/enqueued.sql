-- Which of these jobs exist, or existed: what became of an enqueue whose answer was lost (L12).
-- Index: job_pkey, history_id, dead_letter_pkey.
SELECT id AS "id!" FROM engine.job WHERE id = ANY ($1::uuid[])
UNION SELECT id FROM engine.history WHERE id = ANY ($1::uuid[])
UNION SELECT id FROM engine.dead_letter WHERE id = ANY ($1::uuid[])

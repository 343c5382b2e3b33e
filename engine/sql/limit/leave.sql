-- The keys of the places that the jobs $1 had, whose attempts have ended or were given back, and of the sequences of those that have
-- ended themselves. Index: slot_job, sequence_job, job_pkey, dead_letter_pkey.
WITH places AS (
    DELETE FROM engine.slot WHERE job = ANY ($1::uuid[]) RETURNING key
), turns AS (
    DELETE FROM engine.sequence s WHERE s.job = ANY ($1) AND NOT engine.stands(s.job, s.holds) RETURNING key
)
SELECT key AS "key!" FROM places UNION ALL SELECT key FROM turns

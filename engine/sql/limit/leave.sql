-- The places that the jobs $1 had, which have ended or were given back. Index: slot_job.
DELETE FROM engine.slot WHERE job = ANY ($1::uuid[]) RETURNING key

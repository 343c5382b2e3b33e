-- What the parents of these jobs wait for. Index: job_pkey.
SELECT DISTINCT wakes AS "wakes!" FROM engine.job WHERE id = ANY ($1::uuid[]) AND num_nonnulls(wakes) = 1

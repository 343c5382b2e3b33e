-- Whether this job has not ended. Index: job_pkey.
SELECT EXISTS (SELECT FROM engine.job WHERE id = $1) AS "live!"

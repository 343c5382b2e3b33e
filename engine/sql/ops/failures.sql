-- Every attempt's error of a job, oldest first. Index: failure_job.
SELECT attempt, step, class, code, message, action, effect, extract(epoch FROM retry_in)::double precision AS retry_in, at
FROM engine.failure WHERE job = $1 ORDER BY at, attempt

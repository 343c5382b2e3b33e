-- Appends what went wrong in attempts that the fence has let through. Once per attempt and step: a write whose
-- answer was lost is repeated (L12). Index: job_pkey, failure_job.
INSERT INTO engine.failure (job, born, token, attempt, step, class, code, message, action, effect, retry_in)
SELECT i.job, j.created_at, i.token, i.attempt, i.step, i.class, i.code, i.message, i.action, i.effect, make_interval(secs => i.retry_in)
FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::double precision[])
     AS i(job, token, attempt, step, class, code, message, action, effect, retry_in)
JOIN engine.job j ON j.id = ANY ($1) AND j.id = i.job
WHERE NOT EXISTS (
    SELECT FROM engine.failure f
    WHERE f.job = ANY ($1) AND f.job = i.job AND f.born = j.created_at AND f.token = i.token AND f.code = i.code AND f.step IS NOT DISTINCT FROM i.step
)

-- Which step each attempt has begun now; none where it has ended. For attempts that the fence has let through.
-- Index: job_pkey; HOT.
UPDATE engine.job j
SET step = i.step, starts = i.starts, begun_at = CASE WHEN i.step IS NOT NULL THEN engine.clock() END
FROM unnest($1::uuid[], $2::text[], $3::integer[]) AS i(id, step, starts)
WHERE j.id = ANY ($1) AND j.id = i.id

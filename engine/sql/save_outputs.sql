-- Keeps what jobs gave as their output, of attempts that the fence has let through. A job that was taken back and ends
-- once more gives another: the last counts.
INSERT INTO engine.output (job, value) SELECT i.job, i.value::jsonb FROM unnest($1::uuid[], $2::text[]) AS i(job, value)

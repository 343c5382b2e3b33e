-- Up to 500 live jobs after the id $1, locked: of the workspace $2, the kind $3, the queue $4, in the status $5, with the tag $6, not
-- younger than $7 seconds. Index: job_pkey, in its order; tag_job.
SELECT j.id FROM engine.job j
WHERE j.id > $1 AND ($2::uuid IS NULL OR j.workspace = $2) AND ($3::text IS NULL OR j.kind = $3) AND ($4::text IS NULL OR j.queue = $4)
  AND ($5::text IS NULL OR $5 = CASE WHEN j.state = 1 THEN 'running' WHEN j.lane = 9 THEN 'aside'
                                     WHEN j.run_at > engine.now() THEN 'scheduled' ELSE 'ready' END)
  AND ($6::text IS NULL OR EXISTS (SELECT FROM engine.tag t WHERE t.job = j.id AND t.tag = $6))
  AND ($7::double precision IS NULL OR j.created_at <= engine.now() - make_interval(secs => $7))
ORDER BY j.id LIMIT 500 FOR UPDATE

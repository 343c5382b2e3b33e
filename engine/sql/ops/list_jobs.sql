-- Live jobs and dead letters, the newest first; finished ones are in the history.
SELECT id AS "id!", workspace AS "workspace!", kind AS "kind!", queue AS "queue!", status AS "status!", attempt AS "attempt!",
       crashes AS "crashes!", unique_key, run_at, created_at AS "created_at!", failure
FROM (
    SELECT id, workspace, kind, queue,
           CASE WHEN state = 1 THEN 'running' WHEN lane = 9 THEN 'aside' WHEN run_at > engine.now() THEN 'scheduled' ELSE 'ready' END AS status,
           attempt, crashes, unique_key, run_at, created_at, NULL::jsonb AS failure
    FROM engine.job
    UNION ALL
    SELECT id, workspace, kind, queue, reason, attempt, crashes, unique_key, NULL, created_at, failure FROM engine.dead_letter
) jobs
WHERE ($1::uuid IS NULL OR workspace = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR status = $3)
ORDER BY created_at DESC, id DESC
LIMIT $4

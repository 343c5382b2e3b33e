-- Runs, the newest first. Index: run_workspace or run_created.
SELECT id AS "id!", workspace AS "workspace!", kind AS "kind!", version AS "version!", status AS "status!", percent AS "percent!",
       steps_done AS "steps_done!", steps AS "steps!", attempt AS "attempt!", crashes AS "crashes!", next_at,
       created_at AS "created_at!", finished_at, failure, plan AS "plan!"
FROM engine.run_status
WHERE ($1::uuid IS NULL OR workspace = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR status = $3)
  AND ($4::uuid IS NULL OR id = $4)
ORDER BY created_at DESC, id DESC
LIMIT $5

-- Runs, the newest first. A status that is rare is looked up where it is kept, not in every run that ever ended; only the
-- branch that is asked for begins at all. So the plan is good whichever parameters it was made for.
-- Index: run_pkey; run_workspace or run_created; job_pkey; dead_letter_pkey; history_not_completed.
SELECT id AS "id!", workspace AS "workspace!", kind AS "kind!", version AS "version!", status AS "status!", percent AS "percent!",
       steps_done AS "steps_done!", steps AS "steps!", current_step, note, waits_for, waits_until, blocked_on, attempt AS "attempt!", crashes AS "crashes!", next_at,
       created_at AS "created_at!", finished_at, failure, forked_from AS "forked_from: JobId", forked_at, plan AS "plan!"
FROM (
    SELECT r.id FROM engine.run r WHERE r.id = $4::uuid
    UNION ALL
    (SELECT r.id FROM engine.run r
     WHERE $4::uuid IS NULL AND $3::text IS NULL AND $1::uuid IS NOT NULL AND r.workspace = $1 AND ($2::text IS NULL OR r.kind = $2)
     ORDER BY r.created_at DESC, r.id DESC LIMIT $5)
    UNION ALL
    (SELECT r.id FROM engine.run r
     WHERE $4::uuid IS NULL AND $3::text IS NULL AND $1::uuid IS NULL AND ($2::text IS NULL OR r.kind = $2)
     ORDER BY r.created_at DESC, r.id DESC LIMIT $5)
    UNION ALL
    (SELECT r.id FROM engine.run_status r
     WHERE $4::uuid IS NULL AND $3::text IN ('completed', 'unknown') AND r.status = $3
       AND ($1::uuid IS NULL OR r.workspace = $1) AND ($2::text IS NULL OR r.kind = $2)
     ORDER BY r.created_at DESC, r.id DESC LIMIT $5)
    UNION ALL
    SELECT j.id FROM engine.job j
    WHERE $4::uuid IS NULL AND $3::text IN ('queued', 'running', 'waiting', 'retrying', 'aside')
      AND ($1::uuid IS NULL OR j.workspace = $1) AND ($2::text IS NULL OR j.kind = $2)
    UNION ALL
    SELECT d.id FROM engine.dead_letter d WHERE $4::uuid IS NULL AND d.reason = $3::text
    UNION ALL
    SELECT DISTINCT h.id FROM engine.history h WHERE $4::uuid IS NULL AND h.outcome = $3::text AND h.outcome <> 'completed'
) found(run), LATERAL (SELECT * FROM engine.run_status r WHERE r.id = found.run OFFSET 0) run
WHERE ($1::uuid IS NULL OR workspace = $1) AND ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR status = $3)
ORDER BY created_at DESC, id DESC
LIMIT $5

-- The newest run of the kind $2 of each of the workspaces $1. Index: run_workspace, once for each; then as for one run by its id.
SELECT run.id AS "id!", run.workspace AS "workspace!", run.kind AS "kind!", run.version AS "version!", run.status AS "status!", run.percent AS "percent!",
       run.steps_done AS "steps_done!", run.steps AS "steps!", run.current_step, run.note, run.waits_for, run.waits_until, run.blocked_on, run.attempt AS "attempt!",
       run.crashes AS "crashes!", run.next_at, run.created_at AS "created_at!", run.finished_at, run.failure, run.forked_from AS "forked_from: JobId", run.forked_at, run.plan AS "plan!"
FROM unnest($1::uuid[]) AS asked(workspace), LATERAL (
    SELECT r.id, r.created_at FROM engine.run r WHERE r.workspace = asked.workspace AND r.kind = $2 ORDER BY r.created_at DESC LIMIT 1
) newest, LATERAL (SELECT * FROM engine.run_status r WHERE r.id = newest.id AND r.created_at = newest.created_at OFFSET 0) run

-- What was set aside of the workspaces $1, the newest first, $2 of each at most. Index: dead_letter_workspace.
SELECT letter.id AS "id!: JobId", letter.workspace AS "workspace!: WorkspaceId", letter.kind AS "kind!", letter.reason AS "reason!", letter.failure AS "failure!", letter.created_at AS "created_at!", letter.died_at AS "died_at!"
FROM unnest($1::uuid[]) AS asked(workspace), LATERAL (
    SELECT d.id, d.workspace, d.kind, d.reason, d.failure, d.created_at, d.died_at FROM engine.dead_letter d
    WHERE d.workspace = asked.workspace ORDER BY d.died_at DESC LIMIT $2
) letter

-- The workspaces after $1, in the order of their ids, $2 at most. Index: workspace_pkey.
SELECT id AS "id: WorkspaceId", created_at, due_since, last_outcome FROM studio.workspace WHERE id > $1 ORDER BY id LIMIT $2

-- What was seen last of the parts of the workspaces $1. Index: health_pkey, once for each.
SELECT workspace_id AS "workspace: WorkspaceId", component AS "component: Component", standing AS "standing: Standing", severity AS "severity: Severity",
       detail, next, action, since, checked_at
FROM studio.health WHERE workspace_id = ANY ($1::uuid[]) ORDER BY workspace_id, component

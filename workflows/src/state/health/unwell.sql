-- The workspaces that something is wrong with, and whether it is critical. Index: health_unwell, whole: it holds nobody who is well.
SELECT workspace_id AS "workspace!: WorkspaceId", bool_or(severity = 'critical') AS "is_critical!"
FROM studio.health WHERE severity IN ('warning', 'critical') GROUP BY workspace_id

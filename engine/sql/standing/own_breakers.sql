-- The open breakers of the services $2 for the workspaces $1 alone. Index: breaker_pkey, once for each of both.
SELECT b.key AS "key!", b.service AS "service!", b.workspace AS "workspace!: WorkspaceId", b.reason AS "reason!", b.opened_at AS "opened_at!",
       CASE WHEN NOT b.tripped THEN b.open_until END AS tried_at, b.tripped AS "tripped!"
FROM engine.breaker b
WHERE b.key = ANY (ARRAY(SELECT service || '/' || workspace FROM unnest($1::uuid[]) workspace, unnest($2::text[]) service))
  AND b.workspace IS NOT NULL AND b.opened_at IS NOT NULL

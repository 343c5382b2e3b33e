-- What was just seen of parts of the workspace $1, and whether anything stands otherwise than before. Index: health_pkey.
WITH told AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) AS told(component, standing, severity, detail, next, action)
), before AS (
    SELECT component, standing, severity FROM studio.health WHERE workspace_id = $1
), written AS (
    INSERT INTO studio.health AS known (workspace_id, component, standing, severity, detail, next, action, since, checked_at)
    SELECT $1, component, standing, severity, detail, next, action, engine.now(), engine.now() FROM told ORDER BY component
    ON CONFLICT (workspace_id, component) DO UPDATE SET
        standing = excluded.standing, severity = excluded.severity, detail = excluded.detail, next = excluded.next, action = excluded.action,
        since = CASE WHEN (known.standing, known.severity) IS NOT DISTINCT FROM (excluded.standing, excluded.severity) THEN known.since ELSE excluded.since END,
        checked_at = excluded.checked_at
)
SELECT EXISTS (
    SELECT FROM told LEFT JOIN before USING (component)
    WHERE (before.standing, before.severity) IS DISTINCT FROM (told.standing, told.severity)
) AS "changed!"

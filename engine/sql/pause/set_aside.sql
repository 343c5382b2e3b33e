-- Takes ready jobs of paused kinds and workspaces out of their lanes, so that claims need not pass over them: up to 1,000
-- after the id $1; returns the last. Nothing depends on it but speed: claims leave them alone anyway. Index: job_pkey.
WITH paused AS MATERIALIZED (
    SELECT scope, name, CASE WHEN scope = 'workspace' THEN name::uuid END AS workspace FROM engine.pause WHERE scope <> 'queue'
), found AS MATERIALIZED (
    SELECT j.id, (SELECT p.scope || ':' || p.name FROM paused p
                  WHERE (p.scope = 'kind' AND p.name = j.kind) OR p.workspace = j.workspace LIMIT 1) AS blocked_on
    FROM engine.job j
    WHERE j.id > $1 AND j.state = 0 AND j.lane <> 9 AND EXISTS (SELECT FROM paused)
      AND (j.kind = ANY (ARRAY(SELECT name FROM paused WHERE scope = 'kind')) OR j.workspace = ANY (ARRAY(SELECT workspace FROM paused WHERE scope = 'workspace')))
    ORDER BY j.id LIMIT 1000 FOR UPDATE SKIP LOCKED
), aside AS (
    UPDATE engine.job j SET lane = 9, share = 0, blocked_on = f.blocked_on
    FROM found f WHERE j.id = ANY (ARRAY(SELECT id FROM found)) AND j.id = f.id
)
SELECT max(id::text)::uuid AS last FROM found

-- Says what a workspace weighs where workspaces take turns. 1 is what everybody weighs, and needs no row.
WITH gone AS (DELETE FROM engine.weight WHERE workspace = $1 AND $3::double precision = 1)
INSERT INTO engine.weight AS w (workspace, share, weight) SELECT $1, $2, $3 WHERE $3 <> 1
ON CONFLICT (workspace) DO UPDATE SET weight = excluded.weight

-- Counts the workspaces whose data key each key wraps. Reads all of them. Moves nothing.
SELECT kek, count(*) AS "workspaces!"
FROM engine.data_key
GROUP BY kek

-- Counts the workspaces whose data key is wrapped by an id that the keyring lacks. Moves nothing.
SELECT kek, count(*) AS "workspaces!"
FROM engine.data_key
WHERE kek <> ALL ($1::text[])
GROUP BY kek
ORDER BY kek

-- Reads a workspace's data key. Moves nothing.
SELECT id, kek, wrapped
FROM engine.data_key
WHERE workspace = $1

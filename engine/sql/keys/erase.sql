-- Destroys a workspace's data keys, and with them everything they sealed.
DELETE FROM engine.data_key
WHERE workspace = $1

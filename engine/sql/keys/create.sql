-- Gives a workspace its data key. The first process wins; the others read its key instead of their own.
INSERT INTO engine.data_key (workspace, id, kek, wrapped)
VALUES ($1, $2, $3, $4)
ON CONFLICT (workspace) DO NOTHING

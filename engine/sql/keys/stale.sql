-- Reads the next data keys that another id than the primary ($1) wraps, after workspace $2. Moves nothing.
SELECT workspace, id, kek, wrapped
FROM engine.data_key
WHERE kek <> $1
  AND ($2::uuid IS NULL OR workspace > $2)
ORDER BY workspace
LIMIT $3

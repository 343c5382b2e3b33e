-- Cancels a job wherever it is live: terminal, and a late ack finds no row (L10). Moves: any -> cancelled.
WITH live AS (
    DELETE FROM engine.job WHERE id = $1
    RETURNING id, workspace, kind, queue, priority, token, attempt, crashes, unique_key, payload, created_at
), dead AS (
    DELETE FROM engine.dead_letter WHERE id = $1
    RETURNING id, workspace, kind, queue, priority, token, attempt, crashes, unique_key, payload, created_at
)
INSERT INTO engine.history (id, workspace, kind, queue, priority, token, attempt, crashes, unique_key, payload, created_at, outcome)
SELECT *, 'cancelled' FROM live UNION ALL SELECT *, 'cancelled' FROM dead
RETURNING id

-- Declares processes dead whose lease has run out (L6). Its own transaction: deleting the row waits for a claim
-- in flight, and a claim that comes later finds no row.
WITH gone AS (
    DELETE FROM engine.worker WHERE seen + lease < engine.now() RETURNING id, host, pid
)
INSERT INTO engine.dead_worker (id, host, pid) SELECT id, host, pid FROM gone
ON CONFLICT DO NOTHING

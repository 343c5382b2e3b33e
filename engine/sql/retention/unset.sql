-- Keeps the ends $2 of the queue $1 for as long as those of all queues.
DELETE FROM engine.retention WHERE queue = $1 AND queue <> '' AND outcome = $2

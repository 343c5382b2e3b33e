-- The safe marks that were kept for a queue.
SELECT priority, safe FROM engine.lane WHERE queue = $1

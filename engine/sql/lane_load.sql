-- The safe marks that were kept for the queues $1.
SELECT queue, priority, safe FROM engine.lane WHERE queue = ANY ($1::text[])

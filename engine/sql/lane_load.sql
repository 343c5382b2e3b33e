-- The safe marks that were kept for the queues $1.
SELECT queue, lane, share, safe FROM engine.lane WHERE queue = ANY ($1::text[])

-- For how long ends are kept, those of all queues first.
SELECT nullif(queue, '') AS queue, outcome, extract(epoch FROM keep)::bigint AS "seconds!", goes FROM engine.retention ORDER BY engine.retention.queue, outcome

-- Keeps safe marks; they only ever rise.
INSERT INTO engine.lane (queue, priority, safe)
SELECT l.queue, l.priority, l.safe FROM unnest($1::text[], $2::smallint[], $3::timestamptz[]) AS l(queue, priority, safe)
ORDER BY l.queue, l.priority -- two processes that keep marks never wait for each other
ON CONFLICT (queue, priority) DO UPDATE SET safe = excluded.safe WHERE engine.lane.safe < excluded.safe

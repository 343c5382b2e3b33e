-- Keeps safe marks; they only ever rise.
INSERT INTO engine.lane (queue, lane, safe)
SELECT l.queue, l.lane, l.safe FROM unnest($1::text[], $2::smallint[], $3::timestamptz[]) AS l(queue, lane, safe)
ORDER BY l.queue, l.lane -- two processes that keep marks never wait for each other
ON CONFLICT (queue, lane) DO UPDATE SET safe = excluded.safe WHERE engine.lane.safe < excluded.safe

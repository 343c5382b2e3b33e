-- Keeps safe marks; they only ever rise.
INSERT INTO engine.lane (queue, lane, share, safe)
SELECT l.queue, l.lane, l.share, l.safe
FROM unnest($1::text[], $2::smallint[], $3::integer[], $4::timestamptz[]) AS l(queue, lane, share, safe)
ORDER BY l.queue, l.lane, l.share -- two processes that keep marks never wait for each other
ON CONFLICT (queue, lane, share) DO UPDATE SET safe = excluded.safe WHERE engine.lane.safe < excluded.safe

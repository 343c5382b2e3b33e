-- Keeps safe marks; they only ever rise.
INSERT INTO engine.lane (queue, priority, safe)
SELECT $1, l.priority, l.safe FROM unnest($2::smallint[], $3::timestamptz[]) AS l(priority, safe)
ON CONFLICT (queue, priority) DO UPDATE SET safe = excluded.safe WHERE engine.lane.safe < excluded.safe

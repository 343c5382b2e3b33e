-- Keeps the schedules that this process knows, and when each is due next. One whose text, zone or kind has changed begins
-- anew; what is paused stays paused.
INSERT INTO engine.schedule AS s (name, cron, zone, kind, next_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
ON CONFLICT (name) DO UPDATE
SET cron = excluded.cron, zone = excluded.zone, kind = excluded.kind, next_at = excluded.next_at
WHERE (s.cron, s.zone, s.kind) IS DISTINCT FROM (excluded.cron, excluded.zone, excluded.kind)

-- Keeps the schedules $1-$5 that process $6 knows, and when each is due next. One whose text, zone or kind has changed begins
-- anew, but for a tick that is due and not taken: that counts by its new text. What is paused stays paused. Of two processes that know one by different texts, that counts which began later: an
-- older version beside it during a deploy would make the newer one's ticks by its own calendar. Who has let them go, or is dead, says nothing.
INSERT INTO engine.schedule AS s (name, cron, zone, kind, next_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[]) AS mine (name, cron, zone, kind, next_at)
WHERE mine.name NOT IN (SELECT name FROM engine.schedule) OR EXISTS (
    SELECT FROM engine.worker me
    WHERE me.id = $6 AND mine.name = ANY (me.schedules) AND NOT EXISTS (
        SELECT FROM engine.worker other WHERE mine.name = ANY (other.schedules) AND (other.started_at, other.id) > (me.started_at, me.id)
    )
)
ON CONFLICT (name) DO UPDATE
SET cron = excluded.cron, zone = excluded.zone, kind = excluded.kind,
    next_at = CASE WHEN s.next_at <= engine.now() AND NOT s.paused THEN s.next_at ELSE excluded.next_at END
WHERE (s.cron, s.zone, s.kind) IS DISTINCT FROM (excluded.cron, excluded.zone, excluded.kind)

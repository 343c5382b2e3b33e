-- All schedules, whether any process knows them, and how the last ticks went.
SELECT s.name, s.cron, s.zone, s.kind, s.paused, s.reason,
       CASE WHEN s.next_at < 'infinity' THEN s.next_at END AS next_at, s.last_at, s.last_job,
       EXISTS (SELECT FROM engine.worker w WHERE s.name = ANY (w.schedules)) AS "known!"
FROM engine.schedule s ORDER BY s.name

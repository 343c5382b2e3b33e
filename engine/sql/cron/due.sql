-- One of the schedules that is due and stands as in $1-$4, locked until its ticks are enqueued; one that another process is at is left to it.
SELECT s.name, s.asked, s.paused, CASE WHEN NOT s.paused AND s.next_at <= engine.now() THEN s.next_at END AS due_from, s.last_at, s.last_job, engine.now() AS "now!"
FROM engine.schedule s
WHERE (s.name, s.cron, s.zone, s.kind) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]))
  AND (s.asked OR (NOT s.paused AND s.next_at <= engine.now()))
ORDER BY s.next_at LIMIT 1 FOR UPDATE OF s SKIP LOCKED

-- One of the schedules $1 that is due, locked until its ticks are enqueued; one that another process is at is left to it.
SELECT name, asked, CASE WHEN NOT paused AND next_at <= engine.now() THEN next_at END AS due_from, last_job, engine.now() AS "now!"
FROM engine.schedule WHERE name = ANY ($1::text[]) AND (asked OR (NOT paused AND next_at <= engine.now()))
ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED

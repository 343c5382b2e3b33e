-- Breakers that are open, the oldest of them, and how many there are and how many steps wait for each. Reads the breakers. Index: step_event, job_pkey.
SELECT b.key, b.opened_at AS "opened_at!", b.reason, count(*) OVER () AS "all!",
       (SELECT count(*) FROM engine.step s JOIN engine.job j ON j.id = s.job AND j.created_at = s.born
        WHERE s.state = 'waiting' AND s.wake_event = 'signal:breaker/' || b.key) AS "waiting!"
FROM engine.breaker b WHERE b.opened_at IS NOT NULL ORDER BY b.opened_at, b.key LIMIT $1

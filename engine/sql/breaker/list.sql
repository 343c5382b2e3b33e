-- The breakers, the open ones first and those of whole services before those of workspaces, of the service $1 and of the key $2 where they are named, and only those of whole services if $3; and how many runs wait for each.
-- Reads the breakers. Index: step_event, job_pkey.
SELECT b.key AS "key!", b.service AS "service!", b.workspace, b.failures AS "failures!", b.reason AS "reason!", b.opened_at, b.open_until,
       coalesce(b.open_until <= engine.now(), false) AS "is_due!",
       coalesce(b.probe_until > engine.now(), false) AS "is_probed!", b.tripped AS "tripped!", b.changed_at AS "changed_at!",
       (SELECT count(*) FROM engine.step s JOIN engine.job j ON j.id = s.job AND j.created_at = s.born
        WHERE s.state = 'waiting' AND s.wake_event = 'signal:breaker/' || b.key) AS "waiting!"
FROM engine.breaker b
WHERE ($1::text IS NULL OR b.service = $1) AND ($2::text IS NULL OR b.key = $2) AND (NOT $3::boolean OR b.workspace IS NULL)
ORDER BY b.opened_at IS NULL, b.workspace IS NOT NULL, b.key
LIMIT $4

-- Forgets failures that nothing followed for an hour, what could have been tried for a day and nobody waits for, and what breakers did more than 90 days
-- ago. What somebody has locked is left for the next time. Reads the breakers. Index: step_event, job_pkey, breaker_log_at.
WITH gone AS (
    DELETE FROM engine.breaker WHERE key IN (
        SELECT b.key FROM engine.breaker b
        WHERE NOT b.tripped AND CASE
            WHEN b.opened_at IS NULL THEN b.changed_at < engine.now() - interval '1 hour'
            ELSE b.open_until < engine.now() - interval '1 day' AND coalesce(b.probe_until < engine.now(), true)
                 AND NOT EXISTS (SELECT FROM engine.step s WHERE s.state = 'waiting' AND s.wake_event = 'signal:breaker/' || b.key
                                 AND EXISTS (SELECT FROM engine.job j WHERE j.id = s.job AND j.created_at = s.born))
            END
        LIMIT 1000 FOR UPDATE SKIP LOCKED
    ) RETURNING key, opened_at
), noted AS (
    INSERT INTO engine.breaker_log (key, what, note) SELECT key, 'closed', 'nobody has called it or waited for it for a day' FROM gone WHERE opened_at IS NOT NULL
)
DELETE FROM engine.breaker_log WHERE id IN (
    SELECT id FROM engine.breaker_log WHERE happened_at < engine.now() - interval '90 days' LIMIT 1000 FOR UPDATE SKIP LOCKED
)

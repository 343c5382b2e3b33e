-- Forgets failures that nothing followed for an hour, and what breakers did more than 90 days ago. What somebody has locked is left for the
-- next time. Reads the breakers. Index: breaker_log_at.
WITH counts AS (
    DELETE FROM engine.breaker WHERE key IN (
        SELECT key FROM engine.breaker
        WHERE opened_at IS NULL AND NOT tripped AND changed_at < engine.now() - interval '1 hour' LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
)
DELETE FROM engine.breaker_log WHERE id IN (
    SELECT id FROM engine.breaker_log WHERE happened_at < engine.now() - interval '90 days' LIMIT 1000 FOR UPDATE SKIP LOCKED
)

-- Forgets what nobody needs any more, some of each at a time: keys of limits that nothing was given away of for an hour, and
-- that nobody has a place of or stands aside for; ticks and events of more than 31 days ago; idempotency keys whose window has been over
-- for a day; locks that nobody has had for an hour: their fences come from a sequence and go on rising. What somebody has locked is left for the next time, so that two processes never wait for each other.
-- Reads the limits, the locks and the ticks. Index: event_at, enqueue_key_expires.
WITH limits AS (
    DELETE FROM engine.limiter WHERE key IN (
        SELECT l.key FROM engine.limiter l
        WHERE coalesce(l.next_turn, l.made_at) < engine.now() - interval '1 hour'
          AND NOT EXISTS (SELECT FROM engine.slot s WHERE s.key = l.key)
          AND NOT EXISTS (SELECT FROM engine.job j WHERE j.blocked_on = 'limit:' || l.key)
        LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
), locks AS (
    DELETE FROM engine.lock WHERE name IN (
        SELECT l.name FROM engine.lock l WHERE l.until < engine.now() - interval '1 hour' LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
), ticks AS (
    DELETE FROM engine.tick WHERE (schedule, at) IN (
        SELECT schedule, at FROM engine.tick WHERE at < engine.now() - interval '31 days' LIMIT 10000 FOR UPDATE SKIP LOCKED
    )
), events AS (
    DELETE FROM engine.event WHERE key IN (
        SELECT key FROM engine.event WHERE at < engine.now() - interval '31 days' ORDER BY at LIMIT 1000 FOR UPDATE SKIP LOCKED
    )
)
DELETE FROM engine.enqueue_key WHERE id = ANY (ARRAY(
    SELECT id FROM engine.enqueue_key WHERE expires_at < engine.now() - interval '1 day' ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)) AND expires_at < engine.now() - interval '1 day'

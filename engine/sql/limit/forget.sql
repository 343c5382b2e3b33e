-- Forgets keys that nothing was given away of for an hour, and that nobody has a place of or stands aside for. One that
-- somebody has locked is in use. Reads the table.
DELETE FROM engine.limiter WHERE key IN (
    SELECT l.key FROM engine.limiter l
    WHERE coalesce(l.next_turn, l.made_at) < engine.now() - interval '1 hour'
      AND NOT EXISTS (SELECT FROM engine.slot s WHERE s.key = l.key)
      AND NOT EXISTS (SELECT FROM engine.job j WHERE j.blocked_on = 'limit:' || l.key)
    LIMIT 1000 FOR UPDATE SKIP LOCKED
)

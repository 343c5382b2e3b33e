-- Forgets events that came more than 31 days ago. Index: event_at.
DELETE FROM engine.event WHERE key IN (SELECT key FROM engine.event WHERE at < engine.now() - interval '31 days' ORDER BY at LIMIT 1000)

-- Schedules whose tick is overdue by more than a minute: nobody looks after them. Reads a small table.
SELECT name, extract(epoch FROM engine.now() - next_at)::double precision AS "seconds!"
FROM engine.schedule WHERE NOT paused AND next_at < engine.now() - interval '1 minute' ORDER BY name

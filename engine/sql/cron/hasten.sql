-- Asks for a tick of its own now, which whoever knows the schedule enqueues.
UPDATE engine.schedule SET asked = true WHERE name = $1

-- An event has come: the steps that wait for it are due. Index: step_event.
UPDATE engine.step SET wake_at = engine.clock() WHERE state = 'waiting' AND wake_event = $1 RETURNING job

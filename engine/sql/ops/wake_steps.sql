-- The steps of a run that wait for an event look again at the next attempt.
UPDATE engine.step SET wake_at = engine.clock() WHERE job = $1 AND born = (SELECT j.created_at FROM engine.job j WHERE j.id = $1)
AND state LIKE 'waiting' AND wake_event IS NOT NULL -- not `=`: the index of all that waits is no way to find it

-- Forgets a dead process once none of its jobs runs any more.
DELETE FROM engine.dead_worker d WHERE d.id = $1
AND NOT EXISTS (SELECT FROM engine.job j WHERE j.worker = $1 AND j.state = 1)

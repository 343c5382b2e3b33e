-- Lets the lock $1 go on for $4 seconds from now, if $2 has it under the fence $3 and it has not run out. A row that is locked is left: its
-- holder's own transaction may have locked it, and would wait for itself. Index: lock_pkey.
UPDATE engine.lock l SET until = engine.clock() + make_interval(secs => $4)
WHERE l.name = (
    SELECT mine.name FROM engine.lock mine
    WHERE mine.name = $1 AND mine.holder = $2 AND mine.fence = $3 AND mine.until > engine.clock() FOR NO KEY UPDATE SKIP LOCKED
)

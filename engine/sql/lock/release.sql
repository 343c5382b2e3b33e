-- Gives the lock $1 back, if $2 has it under the fence $3 and it has not run out. A row that is locked is left, as by a renewal.
-- Index: lock_pkey.
UPDATE engine.lock l SET holder = NULL, until = engine.clock()
WHERE l.name = (
    SELECT mine.name FROM engine.lock mine
    WHERE mine.name = $1 AND mine.holder = $2 AND mine.fence = $3 AND mine.until > engine.clock() FOR NO KEY UPDATE SKIP LOCKED
)

-- Whether $2 has the lock $1 under the fence $3; if so, nobody else takes it until the transaction ends. Index: lock_pkey.
SELECT l.fence FROM engine.lock l
WHERE l.name = $1 AND l.holder = $2 AND l.fence = $3 AND l.until > engine.clock() FOR NO KEY UPDATE

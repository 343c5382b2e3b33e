-- How the lock $1 stands for holder $2 with the fence $3: still held, or given back by nobody else since. Index: lock_pkey.
SELECT coalesce(l.holder = $2 AND l.until > engine.clock(), false) AS "held!", l.holder IS NULL AS "given_back!"
FROM engine.lock l WHERE l.name = $1 AND l.fence = $3

-- Takes the lock $1 for holder $2 and $3 seconds, or says who has it. Index: lock_pkey.
SELECT held AS "held!", holder, fence AS "fence!", remaining AS "remaining!"
FROM engine.take_lock($1, $2, make_interval(secs => $3))

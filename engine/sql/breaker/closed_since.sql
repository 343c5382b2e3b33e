-- The breakers that were closed after $1, by a call that was answered or by an operator. Index: breaker_log_at.
SELECT DISTINCT key AS "key!" FROM engine.breaker_log WHERE happened_at > $1 AND what IN ('closed', 'reset') ORDER BY 1

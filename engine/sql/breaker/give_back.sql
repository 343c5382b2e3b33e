-- Gives the lease $2 to try the services of the breakers $1 back: the call came to no end that tells anything. Index: breaker_pkey.
UPDATE engine.breaker SET probe = NULL, probe_until = NULL, changed_at = engine.clock()
WHERE key = ANY (ARRAY(SELECT key FROM engine.breaker WHERE key = ANY ($1::text[]) AND probe = $2 ORDER BY key FOR UPDATE))

-- Takes the lease $2 to try the services of the breakers $1, for $3 seconds: of all that are open and due and that nobody tries. How many it got;
-- whoever asked rolls back unless it is all that he needs. Locks in the order of the keys. Index: breaker_pkey.
WITH due AS MATERIALIZED (
    SELECT key FROM engine.breaker
    WHERE key = ANY ($1::text[]) AND opened_at IS NOT NULL AND NOT tripped
      AND open_until <= engine.clock() AND (probe_until IS NULL OR probe_until <= engine.clock())
    ORDER BY key FOR UPDATE
), taken AS (
    UPDATE engine.breaker b SET probe = $2, probe_until = engine.clock() + make_interval(secs => $3), changed_at = engine.clock()
    WHERE b.key = ANY (ARRAY(SELECT key FROM due))
      AND b.open_until <= engine.clock() AND (b.probe_until IS NULL OR b.probe_until <= engine.clock())
    RETURNING b.key
)
INSERT INTO engine.breaker_log (key, what, note) SELECT key, 'probed', 'one call tries it' FROM taken ORDER BY key
RETURNING key

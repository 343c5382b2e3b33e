-- Closes the breaker $1 by an operator's hand, whatever it counted. Index: breaker_pkey.
WITH gone AS (DELETE FROM engine.breaker WHERE key = $1 RETURNING key)
INSERT INTO engine.breaker_log (key, what, note) SELECT key, 'reset', $2 FROM gone

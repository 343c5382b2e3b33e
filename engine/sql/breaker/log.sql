-- What the breaker $1 did and what was done to it, the newest first. Index: breaker_log_key.
SELECT what, note, happened_at FROM engine.breaker_log WHERE key = $1 ORDER BY id DESC LIMIT $2

-- Opens the breaker $1 of the service $2 and the workspace $3 by an operator's hand, until one resets it. Index: breaker_pkey.
WITH tripped AS (
    INSERT INTO engine.breaker AS b (key, service, workspace, failures, reason, opened_at, open_until, tripped, changed_at)
    SELECT $1, $2, $3, 0, $4, now.at, now.at, true, now.at FROM (SELECT engine.clock() AS at) now
    ON CONFLICT (key) DO UPDATE SET tripped = true, reason = excluded.reason, opened_at = coalesce(b.opened_at, excluded.opened_at),
        open_until = coalesce(b.open_until, excluded.open_until), probe = NULL, probe_until = NULL, changed_at = excluded.changed_at
    RETURNING key
)
INSERT INTO engine.breaker_log (key, what, note) SELECT key, 'tripped', $4 FROM tripped

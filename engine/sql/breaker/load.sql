-- The breakers that are not closed, and those that count failures; the open ones first. A service that is well has no row, so this is
-- short also for many workspaces; what does not fit fails by itself before it is known. Reads the table.
SELECT key, service, opened_at, tripped, reason, failures,
       coalesce(greatest(extract(epoch FROM open_until - engine.clock())::double precision, 0), 0) AS "closed_for!",
       coalesce(probe_until > engine.clock(), false) AS "is_probed!"
FROM engine.breaker
ORDER BY opened_at IS NULL, workspace IS NOT NULL, key
LIMIT 1000

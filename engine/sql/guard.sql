-- Waits until whoever wrote under the lock $1 has ended. A statement of its own: what it waited for is seen only by the
-- next one.
SELECT pg_advisory_xact_lock($1::bigint)

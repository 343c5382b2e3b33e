-- Forgets idempotency keys whose window has been over for a day, up to 10,000. Index: enqueue_key_expires.
DELETE FROM engine.enqueue_key WHERE id = ANY (ARRAY(
    SELECT id FROM engine.enqueue_key WHERE expires_at < engine.now() - interval '1 day' ORDER BY expires_at LIMIT 10000 FOR UPDATE SKIP LOCKED
)) AND expires_at < engine.now() - interval '1 day'

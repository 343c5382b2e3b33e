-- The job that the idempotency key $1 stands for, while it does. Index: enqueue_key_pkey.
SELECT job FROM engine.enqueue_key WHERE id = $1 AND (expires_at <= engine.clock()) IS NOT TRUE

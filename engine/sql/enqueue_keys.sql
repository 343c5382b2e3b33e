-- Takes idempotency keys: each key once, whoever comes first. Returns the keys that are ours now.
-- Index: enqueue_key_pkey. A concurrent enqueue of the same key waits here until we commit or roll back.
INSERT INTO engine.enqueue_key (id, job)
SELECT i.key, i.job FROM unnest($1::uuid[], $2::uuid[]) AS i(key, job)
ORDER BY i.key -- two batches that share keys never wait for each other
ON CONFLICT (id) DO NOTHING
RETURNING id

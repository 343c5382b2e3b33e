-- Which job answered each key.
SELECT id, job FROM engine.enqueue_key WHERE id = ANY($1::uuid[])

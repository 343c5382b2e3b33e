-- Points a key at the live job which its enqueue joined.
UPDATE engine.enqueue_key SET job = $2 WHERE id = $1

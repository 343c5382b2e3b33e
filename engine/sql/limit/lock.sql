-- Locks what each of the keys $1 has given away, until the end: whoever judges or frees waits here, in the order of the
-- keys. A statement of its own: what was waited for is seen only by the next one. Index: limiter_pkey.
INSERT INTO engine.limiter (key) SELECT DISTINCT key COLLATE "C" FROM unnest($1::text[]) AS key ORDER BY 1
ON CONFLICT (key) DO UPDATE SET key = excluded.key

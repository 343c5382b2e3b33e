-- The live job of a kind and unique key, if there is one. Index: job_unique.
SELECT id FROM engine.job WHERE kind = $1 AND unique_key = $2

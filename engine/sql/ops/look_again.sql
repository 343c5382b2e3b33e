-- Asks the running job of a kind and unique key to look once more before it waits. Waits for an attempt that is just
-- writing its end. Index: job_unique.
UPDATE engine.job SET again = true WHERE kind = $1 AND unique_key = $2 AND state = 1

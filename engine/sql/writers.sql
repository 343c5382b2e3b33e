-- The transactions that have engine.job locked for writing: they may have written to it and have not ended.
SELECT DISTINCT virtualtransaction AS "transaction!" FROM pg_locks
WHERE locktype = 'relation' AND relation = 'engine.job'::regclass AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

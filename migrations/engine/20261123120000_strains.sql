-- breaking: no, it only adds a column.
-- What keeps the database from its work, as each process sees it: a list of {strain, seconds, times, detail}. Written with each heartbeat;
-- no index, so that heartbeats stay HOT.
ALTER TABLE engine.worker ADD COLUMN strains jsonb NOT NULL DEFAULT '[]';

-- breaking: no, it only adds a column.
-- A step that waits, because somebody else is to act or because whom it calls was out of order, was not begun in vain:
-- its policy counts neither, and so that neither is forgotten, outages are counted by themselves.

ALTER TABLE engine.step ADD COLUMN outages integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN engine.step.starts IS 'How often it was begun, over all attempts, without those beginnings that ended in waiting';
COMMENT ON COLUMN engine.step.outages IS 'How often it met an outage that cost no attempt';

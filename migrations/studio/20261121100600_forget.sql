-- breaking: no, it only adds an index.
--
-- Rows come in the order of their time: what is old is found by the blocks that it stands in, and what is new pays nothing for that.

CREATE INDEX inbox_received ON studio.inbox USING brin (received_at);

-- One row, one commit, nobody notified.
\set n random(1, 1000000000)
INSERT INTO job (payload) VALUES (jsonb_build_object('n', :n::bigint));

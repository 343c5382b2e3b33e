-- A batch of rows, one commit, nobody notified.
INSERT INTO job (payload) SELECT jsonb_build_object('n', n) FROM generate_series(1, :batch::integer) AS n;

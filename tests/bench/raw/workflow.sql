-- One run of seven steps: nine commits, one after the other.
INSERT INTO run (payload) VALUES ('{"n": 1}') RETURNING id \gset
INSERT INTO step (run, number, output) VALUES (:id, 1, '1');
INSERT INTO step (run, number, output) VALUES (:id, 2, '2');
INSERT INTO step (run, number, output) VALUES (:id, 3, '3');
INSERT INTO step (run, number, output) VALUES (:id, 4, '4');
INSERT INTO step (run, number, output) VALUES (:id, 5, '5');
INSERT INTO step (run, number, output) VALUES (:id, 6, '6');
INSERT INTO step (run, number, output) VALUES (:id, 7, '7');
WITH done AS (DELETE FROM run WHERE id = :id RETURNING id, payload)
INSERT INTO history (id, payload) SELECT id, payload FROM done;

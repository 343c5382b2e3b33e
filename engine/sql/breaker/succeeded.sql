-- A call was answered, made by the attempt $2/$3 of process $4: the breakers $1 count anew. One that is open is closed only by who tries it, under the lease $5; one
-- that an operator tripped by an operator. Nothing is written by an attempt that does not own its job (P2). Index: breaker_pkey, job_pkey.
WITH mine AS MATERIALIZED (
    SELECT j.id FROM engine.job j WHERE j.id = $2 AND engine.owns(j.state, j.token, j.worker, $3, $4) FOR NO KEY UPDATE
), well AS MATERIALIZED (
    SELECT key FROM engine.breaker WHERE key = ANY ($1::text[]) AND (SELECT count(*) FROM mine) = 1 ORDER BY key FOR UPDATE
), gone AS (
    DELETE FROM engine.breaker b
    WHERE b.key = ANY (ARRAY(SELECT key FROM well)) AND NOT b.tripped AND (b.opened_at IS NULL OR b.probe = $5)
    RETURNING b.key, b.opened_at
)
INSERT INTO engine.breaker_log (key, what, note) SELECT key, 'closed', 'the call that tried it was answered' FROM gone WHERE opened_at IS NOT NULL

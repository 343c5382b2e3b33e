-- Extends the lease of process $1, all its jobs with it (L4), and asks what it has to know: which of the attempts $2/$3
-- lost their job (cancelled, rescued, taken over: L10), by their places in the list, and whether somebody else died.
-- $4 is what keeps the database from its work, as the process sees it. No row: it was declared dead itself. Index: worker_pkey, job_pkey.
UPDATE engine.worker SET seen = engine.clock(), strains = $4 WHERE id = $1
RETURNING
    ARRAY(SELECT i.place FROM unnest($2::uuid[], $3::bigint[]) WITH ORDINALITY AS i(id, token, place)
          WHERE (i.id, i.token) NOT IN (
              SELECT j.id, j.token FROM engine.job j WHERE j.id = ANY ($2) AND engine.owns(j.state, j.token, j.worker, j.token, $1)))
        AS "lost!: Vec<i64>",
    (EXISTS (SELECT FROM engine.worker other WHERE other.id <> $1 AND other.seen + other.lease < engine.now())
     OR EXISTS (SELECT FROM engine.dead_worker)) AS "somebody_died!"

-- Jobs by tags and output, wherever they are, the newest first: with all of the tags $1, an output that contains $2, of the
-- workspace $3 and the kind $4; older than $5/$6, where a page before ended; $7 at most. By the first tag in order of time
-- where there is one: each further condition is a look-up. Index: tag_pkey, tag_job, output_value, output_pkey; job_pkey, dead_letter_pkey, history_id.
WITH found AS (
    (SELECT t.job, t.at FROM engine.tag t
     WHERE cardinality($1::text[]) > 0 AND t.tag = ($1::text[])[1]
       AND ($5::timestamptz IS NULL OR (t.at, t.job) < ($5, $6::uuid))
       AND NOT EXISTS (SELECT FROM unnest(($1::text[])[2:]) AS other(tag)
                       WHERE NOT EXISTS (SELECT FROM engine.tag o WHERE o.job = t.job AND o.tag = other.tag))
       AND ($2::jsonb IS NULL OR EXISTS (SELECT FROM engine.output o WHERE o.job = t.job AND o.value @> $2))
       AND ($3::uuid IS NULL AND $4::text IS NULL OR EXISTS (
           SELECT FROM engine.job j WHERE j.id = t.job AND ($3 IS NULL OR j.workspace = $3) AND ($4 IS NULL OR j.kind = $4)
           UNION ALL SELECT FROM engine.dead_letter d WHERE d.id = t.job AND ($3 IS NULL OR d.workspace = $3) AND ($4 IS NULL OR d.kind = $4)
           UNION ALL SELECT FROM engine.history h WHERE h.id = t.job AND ($3 IS NULL OR h.workspace = $3) AND ($4 IS NULL OR h.kind = $4)))
     ORDER BY t.at DESC, t.job DESC LIMIT $7)
    UNION ALL
    (SELECT o.job, o.at FROM engine.output o
     WHERE cardinality($1::text[]) = 0 AND o.value @> $2
       AND ($5::timestamptz IS NULL OR (o.at, o.job) < ($5, $6::uuid))
       AND ($3::uuid IS NULL AND $4::text IS NULL OR EXISTS (
           SELECT FROM engine.history h WHERE h.id = o.job AND ($3 IS NULL OR h.workspace = $3) AND ($4 IS NULL OR h.kind = $4)))
     ORDER BY o.at DESC, o.job DESC LIMIT $7)
)
SELECT found.job AS "id!", found.at AS "at!",
       (SELECT o.value FROM engine.output o WHERE o.job = found.job ORDER BY o.at DESC LIMIT 1) AS output,
       ARRAY(SELECT t.tag FROM engine.tag t WHERE t.job = found.job ORDER BY t.tag) AS "tags!",
       coalesce(
           (SELECT CASE WHEN state = 1 THEN 'running' WHEN lane = 9 THEN 'aside' WHEN run_at > engine.now() THEN 'scheduled' ELSE 'ready' END
            FROM engine.job WHERE id = found.job),
           (SELECT reason FROM engine.dead_letter WHERE id = found.job),
           (SELECT outcome FROM engine.history WHERE id = found.job ORDER BY finished_at DESC LIMIT 1), 'gone') AS "status!"
FROM found ORDER BY found.at DESC, found.job DESC LIMIT $7

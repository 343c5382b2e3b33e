-- Dead letters after the one that died at $1/$2, the oldest first, up to 500: of the workspace $3, the kind $4, the queue $5, for one of
-- the reasons $6, with the tag $7. Reads the table; tag_job.
SELECT d.id, d.died_at FROM engine.dead_letter d
WHERE ($1::timestamptz IS NULL OR (d.died_at, d.id) > ($1, $2::uuid)) AND ($3::uuid IS NULL OR d.workspace = $3)
  AND ($4::text IS NULL OR d.kind = $4) AND ($5::text IS NULL OR d.queue = $5) AND d.reason = ANY ($6::text[])
  AND ($7::text IS NULL OR EXISTS (SELECT FROM engine.tag t WHERE t.job = d.id AND t.tag = $7))
ORDER BY d.died_at, d.id LIMIT 500

-- How many schedules stand as in $1-$4, and in how many seconds the first of them is due; none where all are paused or never fire again. Reads a
-- small table.
SELECT count(*) AS "standing!",
       extract(epoch FROM min(CASE WHEN s.asked THEN engine.now() WHEN NOT s.paused AND s.next_at < 'infinity' THEN s.next_at END)
                          - engine.now())::double precision AS due_in
FROM engine.schedule s
WHERE (s.name, s.cron, s.zone, s.kind) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]))

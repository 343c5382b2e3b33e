-- In how many seconds the first of the schedules $1 is due; none where all are paused or never fire again. Reads a small table.
SELECT extract(epoch FROM min(CASE WHEN asked THEN engine.now() ELSE next_at END) - engine.now())::double precision AS due_in
FROM engine.schedule WHERE name = ANY ($1::text[]) AND (asked OR (NOT paused AND next_at < 'infinity'))

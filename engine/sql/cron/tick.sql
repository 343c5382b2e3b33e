-- Notes the ticks of a schedule, $2-$4, each with its job or why it has none; and when it is due next if $7 says that this
-- changes, never again where $5 is none. A tick is there once: the same one twice is an error. Index: tick_pkey, schedule_pkey.
WITH ticks AS (
    INSERT INTO engine.tick (schedule, at, job, skipped)
    SELECT $1, i.* FROM unnest($2::timestamptz[], $3::uuid[], $4::text[]) AS i(at, job, skipped)
)
UPDATE engine.schedule s
SET next_at = CASE WHEN $7 THEN coalesce($5::timestamptz, 'infinity') ELSE s.next_at END, asked = false, last_at = greatest((SELECT max(at) FROM unnest($2::timestamptz[]) AS at), s.last_at),
    last_job = coalesce($6::uuid, s.last_job)
WHERE s.name = $1

-- Writes checkpoints of attempts that the fence has let through, in the order in which each attempt's steps ended, so that the
-- clock tells that order. A finished step is never touched again.
-- Index: job_pkey, step_pkey.
INSERT INTO engine.step AS s (job, born, name, state, token, starts, outages, output, sealed, detail, wake_event, wake_at, deadline, started_at, finished_at)
SELECT i.job, j.created_at, i.name, i.state, i.token, i.starts, i.outages, i.output::json, i.sealed, i.detail, i.wake_event,
       CASE WHEN i.state = 'waiting' THEN engine.clock() + make_interval(secs => i.wake_in) END,
       CASE WHEN i.state = 'waiting' AND i.ends THEN engine.clock() + make_interval(secs => i.wake_in) END,
       engine.clock() - make_interval(secs => i.took),
       CASE WHEN i.state IN ('done', 'skipped', 'failed') THEN engine.clock() END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::integer[], $6::text[], $7::bytea[], $8::text[], $9::text[],
            $10::double precision[], $11::double precision[], $12::boolean[], $13::integer[]) WITH ORDINALITY
     AS i(job, name, state, token, starts, output, sealed, detail, wake_event, wake_in, took, ends, outages, place)
JOIN engine.job j ON j.id = ANY ($1) AND j.id = i.job
ORDER BY i.place
ON CONFLICT (job, born, name) DO UPDATE
SET state = excluded.state, token = excluded.token, starts = excluded.starts, outages = excluded.outages,
    output = excluded.output, sealed = excluded.sealed, detail = excluded.detail,
    -- Whoever waits on keeps to what he said first.
    wake_event = excluded.wake_event, wake_at = CASE WHEN excluded.deadline IS NOT NULL THEN coalesce(s.deadline, excluded.wake_at) ELSE excluded.wake_at END,
    deadline = CASE WHEN excluded.deadline IS NOT NULL THEN coalesce(s.deadline, excluded.deadline) END,
    started_at = excluded.started_at, finished_at = excluded.finished_at
WHERE s.state <> 'done'

-- Writes checkpoints of attempts that the fence has let through. A finished step is never touched again. An attempt
-- begins a step once, so one that says so twice repeats a write whose answer was lost (L12).
INSERT INTO engine.step AS s (job, name, state, token, starts, output, sealed, detail, wake_event, wake_at, finished_at)
SELECT i.job, i.name, i.state, i.token, 1, i.output, i.sealed, i.detail, i.wake_event,
       CASE WHEN i.state = 'waiting' THEN engine.clock() + make_interval(secs => i.wake_in) END,
       CASE WHEN i.state IN ('done', 'skipped', 'failed') THEN engine.clock() END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[], $6::bytea[], $7::text[], $8::text[],
            $9::double precision[])
     AS i(job, name, state, token, output, sealed, detail, wake_event, wake_in)
ON CONFLICT (job, name) DO UPDATE
SET state = excluded.state, token = excluded.token,
    starts = s.starts + (excluded.state = 'started' AND excluded.token <> s.token)::integer,
    output = excluded.output, sealed = excluded.sealed, detail = excluded.detail,
    wake_event = excluded.wake_event, wake_at = excluded.wake_at, finished_at = excluded.finished_at,
    started_at = CASE WHEN excluded.state = 'started' THEN engine.clock() ELSE s.started_at END
WHERE s.state <> 'done'

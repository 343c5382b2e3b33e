-- The job $1 wherever it is, with all that it was enqueued with, and its run where it has one. Index: job_pkey, dead_letter_pkey,
-- history_id, run_pkey.
SELECT job.workspace AS "workspace!", job.kind AS "kind!", job.queue AS "queue!", job.priority AS "priority!", job.takes_turns AS "takes_turns!",
       job.unique_key, job.payload::text AS "payload!", job.limits::text AS limits, job.created_at AS "created_at!", job.status AS "status!", job.failure,
       job.finished_at, r.version AS "version?", r.plan AS "plan?"
FROM (
    SELECT workspace, kind, queue, priority, takes_turns, unique_key, payload, limits, created_at,
           CASE WHEN state = 1 THEN 'running' WHEN lane = 9 THEN 'aside' WHEN run_at > engine.now() THEN 'scheduled' ELSE 'ready' END AS status,
           NULL::jsonb AS failure, NULL::timestamptz AS finished_at, 0 AS place
    FROM engine.job WHERE id = $1
    UNION ALL
    SELECT workspace, kind, queue, priority, takes_turns, unique_key, payload, limits, created_at, reason, failure, died_at, 1
    FROM engine.dead_letter WHERE id = $1
    UNION ALL
    SELECT workspace, kind, queue, priority, takes_turns, unique_key, payload, limits, created_at, outcome, NULL, finished_at, 2
    FROM engine.history WHERE id = $1
) job LEFT JOIN engine.run r ON r.id = $1 AND r.created_at = job.created_at
ORDER BY job.place, job.finished_at DESC NULLS LAST LIMIT 1

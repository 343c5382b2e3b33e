-- One job, wherever it is; and where jobs run in order, behind whom. Index: job_pkey, dead_letter_pkey, history_id, sequence_begun, sequence_pkey.
SELECT id AS "id!", workspace AS "workspace!", kind AS "kind!", queue AS "queue!", status AS "status!", attempt AS "attempt!",
       crashes AS "crashes!", unique_key, run_at, created_at AS "created_at!", failure, payload AS "payload!", finished_at,
       blocked_on, CASE WHEN blocked_on LIKE 'limit:%' THEN engine.first_of(substr(blocked_on, 7)) END AS first
FROM (
    SELECT id, workspace, kind, queue,
           CASE WHEN state = 1 THEN 'running' WHEN lane = 9 THEN 'aside' WHEN run_at > engine.now() THEN 'scheduled' ELSE 'ready' END AS status,
           attempt, crashes, unique_key, run_at, created_at, NULL::jsonb AS failure, payload, NULL::timestamptz AS finished_at, blocked_on, 0 AS place
    FROM engine.job WHERE id = $1
    UNION ALL
    SELECT id, workspace, kind, queue, reason, attempt, crashes, unique_key, NULL, created_at, failure, payload, died_at, NULL, 1
    FROM engine.dead_letter WHERE id = $1
    UNION ALL
    SELECT id, workspace, kind, queue, outcome, attempt, crashes, unique_key, NULL, created_at, NULL, payload, finished_at, NULL, 2
    FROM engine.history WHERE id = $1
) job
ORDER BY place, finished_at DESC NULLS LAST LIMIT 1

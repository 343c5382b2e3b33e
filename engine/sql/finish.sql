-- Acks of process $1: the job leaves the queue for the history, where its attempt still owns it. Its count of rows says
-- how many did: to return who they were would cost a tenth, and is asked only when they are not all.
-- When an end goes is looked up once for all, unless a queue has a rule of its own: for each by itself it cost a sixth.
-- Moves: running -> completed | degraded. Index: job_pkey, retention_pkey.
WITH gone AS (
    DELETE FROM engine.job j USING unnest($2::uuid[], $3::bigint[], $4::text[]) AS i(id, token, outcome)
    WHERE j.id = ANY ($2) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    RETURNING j.id, j.workspace, j.kind, j.queue, j.priority, i.outcome, j.token, j.attempt, j.crashes, j.unique_key, j.payload, j.limits, j.takes_turns, j.created_at
)
INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, limits, takes_turns, created_at, goes)
SELECT id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, limits, takes_turns, created_at,
       coalesce(CASE WHEN EXISTS (SELECT FROM engine.retention r WHERE r.queue <> '') THEN
                    (SELECT r.goes FROM engine.retention r WHERE r.queue = gone.queue AND r.outcome = gone.outcome) END,
                CASE outcome WHEN 'completed' THEN (SELECT r.goes FROM engine.retention r WHERE r.queue = '' AND r.outcome = 'completed')
                             WHEN 'degraded' THEN (SELECT r.goes FROM engine.retention r WHERE r.queue = '' AND r.outcome = 'degraded') END)
FROM gone

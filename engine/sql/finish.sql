-- Acks of process $1: the job leaves the queue for the history. Returns who owned their job.
-- Moves: running -> completed | degraded. Index: job_pkey.
WITH gone AS (
    DELETE FROM engine.job j USING unnest($2::uuid[], $3::bigint[], $4::text[]) AS i(id, token, outcome)
    WHERE j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    RETURNING j.*, i.outcome
)
INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, created_at)
SELECT id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, created_at FROM gone
RETURNING id, token

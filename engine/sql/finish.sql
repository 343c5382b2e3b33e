-- Acks: the job leaves the queue for the history. Moves: running -> completed | degraded. Index: job_pkey.
WITH gone AS (
    DELETE FROM engine.job j USING unnest($1::uuid[], $2::bigint[], $3::text[]) AS i(id, token, outcome)
    WHERE j.id = i.id AND j.token = i.token AND j.state = 1
    RETURNING j.*, i.outcome
)
INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, created_at)
SELECT id, workspace, kind, queue, priority, outcome, token, attempt, crashes, unique_key, payload, created_at FROM gone

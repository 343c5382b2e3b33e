-- Sets jobs aside for a person, payload kept. Moves: running -> dead letter. Index: job_pkey.
WITH gone AS (
    DELETE FROM engine.job j USING unnest($1::uuid[], $2::bigint[], $3::text[], $4::jsonb[]) AS i(id, token, reason, failure)
    WHERE j.id = i.id AND j.token = i.token AND j.state = 1
    RETURNING j.*, i.reason, i.failure
)
INSERT INTO engine.dead_letter (id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes, unique_key, payload, created_at)
SELECT id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes, unique_key, payload, created_at FROM gone

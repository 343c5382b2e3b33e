-- Sets jobs of process $1 aside for a person, payload kept; a step that was begun and has not ended is kept as one. What is
-- quarantined has crashed once more.
-- Moves: running -> dead letter. Index: job_pkey.
WITH gone AS (
    DELETE FROM engine.job j USING unnest($2::uuid[], $3::bigint[], $4::text[], $5::jsonb[]) AS i(id, token, reason, failure)
    WHERE j.id = ANY ($2) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    RETURNING j.*, i.reason, i.failure
), begun AS (
    INSERT INTO engine.step AS s (job, born, name, state, token, starts, started_at)
    SELECT id, created_at, step, 'started', token, starts, begun_at FROM gone WHERE step IS NOT NULL
    ON CONFLICT (job, born, name) DO UPDATE SET state = 'started', token = excluded.token, starts = excluded.starts,
        detail = NULL, wake_event = NULL, wake_at = NULL, started_at = excluded.started_at, finished_at = NULL
    WHERE s.state <> 'done'
)
INSERT INTO engine.dead_letter (id, workspace, kind, queue, priority, takes_turns, reason, failure, token, attempt, crashes, unique_key, payload, limits, wakes, created_at)
SELECT id, workspace, kind, queue, priority, takes_turns, reason, failure, token, attempt, crashes + (reason = 'quarantined')::integer, unique_key, payload, limits, wakes, created_at FROM gone

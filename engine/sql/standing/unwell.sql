-- The workspaces with something set aside, an own open breaker, or a run of the kind $1 that waits for an open one; and whether such a run of theirs
-- was set aside and none has begun since. Reads what was set aside and the breakers. Index: run_workspace; step_event, job_pkey.
SELECT workspace AS "workspace!: WorkspaceId", bool_or(is_run) AS "is_run!"
FROM (
    SELECT d.workspace, d.kind = $1 AS is_run FROM engine.dead_letter d
    WHERE d.kind <> $1 OR NOT EXISTS (SELECT FROM engine.run r WHERE r.workspace = d.workspace AND r.kind = d.kind AND r.created_at > d.created_at)
    UNION ALL
    SELECT b.workspace, false FROM engine.breaker b WHERE b.workspace IS NOT NULL AND b.opened_at IS NOT NULL
    UNION ALL
    SELECT j.workspace, false FROM engine.breaker b, LATERAL (
        SELECT s.job, s.born FROM engine.step s WHERE s.state = 'waiting' AND s.wake_event = 'signal:breaker/' || b.key OFFSET 0
    ) s, LATERAL (SELECT j.workspace, j.kind FROM engine.job j WHERE j.id = s.job AND j.created_at = s.born OFFSET 0) j
    WHERE b.opened_at IS NOT NULL AND j.kind = $1
) found
WHERE workspace <> '00000000-0000-0000-0000-000000000000'
GROUP BY workspace

-- A call to the service $1 for the workspace $2 failed, made by the attempt $4/$5 of process $6, which tried it under the lease $7, if any: it counts for the
-- service as a whole, unless the last one was this workspace's too, and for the workspace, unless the service is open as a whole: what is wrong with all says nothing
-- of one. $8 in a row open a breaker for $9 seconds. Only a failed probe prolongs it, not a call that was under way when it opened. Nothing is written by an attempt that
-- does not own its job (P2). Index: breaker_pkey, job_pkey.
WITH mine AS MATERIALIZED (
    SELECT j.id FROM engine.job j WHERE j.id = $4 AND engine.owns(j.state, j.token, j.worker, $5, $6) FOR NO KEY UPDATE
), written AS (
    INSERT INTO engine.breaker AS b (key, service, workspace, failures, last_workspace, reason, opened_at, open_until, changed_at)
    SELECT k.key, $1, k.workspace, 1, $2, $3,
           CASE WHEN $8::integer <= 1 THEN now.at END, CASE WHEN $8 <= 1 THEN now.at + make_interval(secs => $9) END, now.at
    FROM (VALUES ($1::text, NULL::uuid), ($1 || '/' || $2::uuid, $2)) AS k(key, workspace),
         (SELECT engine.clock() AS at) now
    WHERE (SELECT count(*) FROM mine) = 1
      AND (k.workspace IS NULL OR (SELECT whole.opened_at FROM engine.breaker whole WHERE whole.key = $1) IS NULL
           OR (SELECT own.probe FROM engine.breaker own WHERE own.key = k.key) = $7)
    ORDER BY k.key
    ON CONFLICT (key) DO UPDATE SET
        (failures, opened_at, open_until) = (
            SELECT so_far, CASE WHEN opens THEN excluded.changed_at ELSE b.opened_at END,
                   CASE WHEN opens OR b.probe = $7 THEN excluded.changed_at + make_interval(secs => $9) ELSE b.open_until END
            FROM (SELECT b.failures + (excluded.workspace IS NOT NULL OR b.last_workspace IS DISTINCT FROM excluded.last_workspace)::integer) AS counted(so_far),
                 LATERAL (SELECT b.opened_at IS NULL AND so_far >= $8) AS decided(opens)
        ),
        last_workspace = excluded.last_workspace,
        reason = CASE WHEN b.tripped THEN b.reason ELSE excluded.reason END,
        probe = CASE WHEN b.probe = $7 THEN NULL ELSE b.probe END,
        probe_until = CASE WHEN b.probe = $7 THEN NULL ELSE b.probe_until END,
        changed_at = excluded.changed_at
    WHERE b.workspace IS NULL OR b.probe = $7 OR (SELECT whole.opened_at FROM engine.breaker whole WHERE whole.key = $1) IS NULL
    RETURNING key, workspace, opened_at, open_until, changed_at, tripped, reason, failures
), noted AS (
    INSERT INTO engine.breaker_log (key, what, note) SELECT key, 'opened', reason FROM written WHERE opened_at = changed_at AND NOT tripped
)
SELECT key, opened_at AS "opened_at!", tripped, reason, workspace,
       extract(epoch FROM open_until - engine.clock())::double precision AS "closed_for!",
       extract(epoch FROM engine.clock() - opened_at)::double precision AS "open_for!"
FROM written WHERE opened_at IS NOT NULL

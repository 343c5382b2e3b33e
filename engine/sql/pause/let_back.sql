-- Lets up to 1,000 jobs back into their lanes that stand aside for a kind or a workspace that is not paused any more, the
-- best and oldest first. Returns where they stand. Moves: aside -> ready. Index: job_blocked.
WITH back AS MATERIALIZED (
    SELECT j.id FROM engine.job j
    WHERE j.blocked_on IS NOT NULL AND (j.blocked_on LIKE 'kind:%' OR j.blocked_on LIKE 'workspace:%')
      AND NOT EXISTS (SELECT FROM engine.pause p WHERE p.scope || ':' || p.name = j.blocked_on)
    ORDER BY j.blocked_on, j.priority, j.created_at LIMIT 1000 FOR UPDATE SKIP LOCKED
)
UPDATE engine.job j SET lane = j.priority, share = CASE WHEN j.takes_turns THEN engine.share(j.workspace) ELSE 0 END, run_at = greatest(j.run_at, engine.clock()), blocked_on = NULL
WHERE j.id = ANY (ARRAY(SELECT id FROM back))
RETURNING j.queue, j.lane, j.share

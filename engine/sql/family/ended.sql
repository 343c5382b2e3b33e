-- Children have ended: whoever waits for the events $1, and for no other child with the same one, looks again. A parent that
-- runs looks once more before it waits. Their jobs are locked in the order of their ids. Returns where there is work.
-- Index: step_event, job_wakes, job_pkey.
WITH waiting AS MATERIALIZED (
    SELECT s.job FROM engine.step s
    WHERE s.state = 'waiting' AND s.wake_event = ANY ($1::text[])
      AND (SELECT true FROM engine.job c WHERE c.wakes = s.wake_event LIMIT 1) IS NULL
), locked AS MATERIALIZED (
    SELECT j.id FROM engine.job j WHERE j.id = ANY (ARRAY(SELECT job FROM waiting)) ORDER BY j.id FOR NO KEY UPDATE OF j
), woken AS (
    UPDATE engine.step s SET wake_at = engine.clock()
    WHERE s.job = ANY (ARRAY(SELECT id FROM locked)) AND s.state = 'waiting' AND s.wake_event = ANY ($1::text[])
)
UPDATE engine.job j SET run_at = CASE WHEN j.state = 0 THEN engine.clock() ELSE j.run_at END, again = (j.state = 1)
WHERE j.id = ANY (ARRAY(SELECT id FROM locked))
RETURNING j.queue, j.lane, j.share

-- An event has come: the steps that wait for it are due. Their jobs are locked first and in the order of their ids, as
-- everybody else locks. Index: step_event, job_pkey.
WITH waiting AS MATERIALIZED (
    SELECT s.job FROM engine.step s WHERE s.state = 'waiting' AND s.wake_event = $1
), locked AS MATERIALIZED (
    SELECT j.id FROM engine.job j WHERE j.id = ANY (ARRAY(SELECT job FROM waiting)) ORDER BY j.id FOR NO KEY UPDATE OF j
)
UPDATE engine.step s SET wake_at = engine.clock()
WHERE s.job = ANY (ARRAY(SELECT id FROM locked)) AND s.state = 'waiting' AND s.wake_event = $1
RETURNING s.job

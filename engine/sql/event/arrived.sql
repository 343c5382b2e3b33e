-- Lets those of the jobs $1 look once more before they wait whose event has come, or whose children have ended, between their
-- last look and their lock. Index: step_pkey, event_pkey, job_wakes, job_pkey.
UPDATE engine.job j SET again = true
WHERE j.id = ANY (ARRAY(
    SELECT s.job FROM engine.step s
    WHERE s.job = ANY ($1::uuid[]) AND s.born = (SELECT own.created_at FROM engine.job own WHERE own.id = s.job)
      AND s.state = 'waiting'
      AND CASE WHEN s.wake_event LIKE 'event:%' THEN (SELECT true FROM engine.event e WHERE e.key = substr(s.wake_event, 7))
               WHEN s.wake_event LIKE 'child:%' THEN (SELECT true FROM engine.job c WHERE c.wakes = s.wake_event LIMIT 1) IS NULL END
))

-- Lets those of the jobs $1 look once more before they wait whose event has come, or whose children have ended, between their
-- last look and their lock. Index: step_pkey, event_pkey, job_wakes, job_pkey.
UPDATE engine.job j SET again = true
WHERE j.id = ANY ($1::uuid[]) AND EXISTS (
    SELECT FROM engine.step s
    WHERE s.job = j.id AND s.born = j.created_at AND s.state = 'waiting' AND (
        (s.wake_event LIKE 'event:%' AND EXISTS (SELECT FROM engine.event e WHERE e.key = substr(s.wake_event, 7)))
        OR (s.wake_event LIKE 'child:%' AND NOT EXISTS (SELECT FROM engine.job c WHERE c.wakes = s.wake_event)))
)

-- Parents that wait for children none of which is live: they ended where nobody could tell. Up to 1,000. Index: step_event, job_wakes.
SELECT DISTINCT s.wake_event AS "event!" FROM engine.step s
WHERE s.state = 'waiting' AND s.wake_event >= 'child:' AND s.wake_event < 'child;' AND s.wake_at > engine.now()
  AND NOT EXISTS (SELECT FROM engine.job c WHERE c.wakes = s.wake_event)
LIMIT 1000

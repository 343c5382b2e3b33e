-- What is paused, and how many jobs stand aside for it. A paused queue has none aside: they stand in their lanes.
-- Index: job_blocked.
SELECT p.scope, p.name, p.reason, p.paused_at,
       (SELECT count(*) FROM engine.job j WHERE j.blocked_on = p.scope || ':' || p.name) AS "aside!"
FROM engine.pause p ORDER BY p.paused_at, p.scope, p.name

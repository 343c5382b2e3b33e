-- Jobs that are overdue, and that no living process takes: none has both their queue and their kind. Of the first hundred of each
-- lane, for they stay in front; of a thousand lanes at most. Index: job_lane, each lane with one descent.
WITH RECURSIVE living AS MATERIALIZED (
    SELECT queues, kinds FROM engine.worker WHERE seen + lease >= engine.now()
), lane AS (
    (SELECT j.queue_hash, j.lane, j.share FROM engine.job j ORDER BY j.queue_hash, j.lane, j.share LIMIT 1)
    UNION ALL
    SELECT next.* FROM lane, LATERAL (
        SELECT j.queue_hash, j.lane, j.share FROM engine.job j WHERE (j.queue_hash, j.lane, j.share) > (lane.queue_hash, lane.lane, lane.share)
        ORDER BY j.queue_hash, j.lane, j.share LIMIT 1
    ) next
), overdue AS (
    SELECT first.* FROM (SELECT * FROM lane LIMIT 1000) lane, LATERAL (
        SELECT j.queue, j.kind, j.run_at FROM engine.job j
        WHERE j.queue_hash = lane.queue_hash AND j.lane = lane.lane AND j.share = lane.share AND j.lane <> 9 AND j.state = 0
          AND j.run_at <= engine.now() - interval '10 seconds'
        ORDER BY j.run_at LIMIT 100
    ) first
)
SELECT o.queue, o.kind, count(*) AS "jobs!", extract(epoch FROM engine.now() - min(o.run_at))::double precision AS "seconds!",
       EXISTS (SELECT FROM living l WHERE o.queue = ANY (l.queues)) AS "queue_is_served!"
FROM overdue o
WHERE NOT EXISTS (SELECT FROM living l WHERE o.queue = ANY (l.queues) AND o.kind = ANY (l.kinds))
GROUP BY o.queue, o.kind ORDER BY o.queue, o.kind

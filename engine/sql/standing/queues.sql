-- Since when the oldest ready job of each queue has been due, in seconds; of a thousand lanes at most. Index: job_lane, each lane with one descent to the next and one
-- to the first that is ready: what runs stands before it, and that is no more than there are slots.
WITH RECURSIVE lane AS (
    (SELECT j.queue_hash, j.lane, j.share FROM engine.job j ORDER BY j.queue_hash, j.lane, j.share LIMIT 1)
    UNION ALL
    SELECT next.* FROM lane, LATERAL (
        SELECT j.queue_hash, j.lane, j.share FROM engine.job j WHERE (j.queue_hash, j.lane, j.share) > (lane.queue_hash, lane.lane, lane.share)
        ORDER BY j.queue_hash, j.lane, j.share LIMIT 1
    ) next
)
SELECT first.queue AS "queue!", extract(epoch FROM engine.now() - min(first.run_at))::double precision AS "seconds!"
FROM (SELECT * FROM lane LIMIT 1000) lane, LATERAL (
    SELECT j.queue, j.run_at FROM engine.job j
    WHERE j.queue_hash = lane.queue_hash AND j.lane = lane.lane AND j.share = lane.share AND j.lane <> 9 AND j.state = 0 AND j.run_at <= engine.now()
    ORDER BY j.run_at LIMIT 1
) first
GROUP BY first.queue ORDER BY 2 DESC, 1

-- The first job of each lane of the queues $1, due or not, at or above its safe mark $2-$6, and the snapshot it was read
-- in: when there is something to claim, what late committers left behind, and how far the safe marks may move. Reads only.
-- Index: job_lane.
SELECT queue.name AS "queue!", lane.number AS "lane!", first.run_at AS "first?",
       engine.now() AS "now!",
       pg_snapshot_xmin(pg_current_snapshot())::text AS "xmin!",
       pg_snapshot_xmax(pg_current_snapshot())::text AS "xmax!"
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
         AS queue(name, resumed, critical, high, normal, low),
     LATERAL (VALUES (-1::smallint, queue.resumed), (0::smallint, queue.critical), (1::smallint, queue.high),
                      (2::smallint, queue.normal), (3::smallint, queue.low)) AS lane(number, mark)
LEFT JOIN LATERAL (
    SELECT j.run_at FROM engine.job j
    WHERE j.queue = queue.name AND j.lane = lane.number AND j.state = 0 AND j.run_at >= lane.mark
    ORDER BY j.run_at LIMIT 1
) first ON true

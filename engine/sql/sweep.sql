-- The first ready job of each lane of queue $1 at or above its safe mark, and the snapshot it was read in:
-- what late committers left behind, and how far the safe mark may move. Index: job_lane.
SELECT lane.priority AS "priority!",
       (SELECT j.run_at FROM engine.job j
        WHERE j.queue = $1 AND j.priority = lane.priority AND j.state = 0
          AND j.run_at >= lane.mark AND j.run_at <= engine.now()
        ORDER BY j.run_at, j.id LIMIT 1) AS first_ready,
       engine.now() AS "now!",
       pg_snapshot_xmin(pg_current_snapshot())::text AS "xmin!",
       pg_snapshot_xmax(pg_current_snapshot())::text AS "xmax!"
FROM unnest($2::smallint[], $3::timestamptz[]) AS lane(priority, mark)

-- The first job of each lane that the claimer knows, $1-$4, due or not, at or above its safe mark, and of each lane between
-- two shares of it that it does not know, $5-$8; and the snapshot that they were read in: when there is something to claim, what late
-- committers left behind, and how far the safe marks may move; and since when the server runs. Up to 1,000 unknown lanes of each gap. Reads only.
-- Index: job_lane, each lane with one descent: an unknown one from the end of the one before.
WITH this AS MATERIALIZED (
    SELECT engine.now() AS now, pg_snapshot_xmin(pg_current_snapshot())::text AS xmin, pg_snapshot_xmax(pg_current_snapshot())::text AS xmax, pg_postmaster_start_time() AS started
), known AS (
    SELECT lane.queue, lane.number, lane.share, first.run_at
    FROM unnest($1::text[], $2::smallint[], $3::integer[], $4::timestamptz[]) AS lane(queue, number, share, mark)
    LEFT JOIN LATERAL (
        SELECT j.run_at FROM engine.job j
        WHERE j.queue_hash = hashtext(lane.queue) AND j.queue = lane.queue AND j.lane = lane.number AND j.share = lane.share AND j.state = 0 AND j.run_at >= lane.mark
        ORDER BY j.run_at LIMIT 1
    ) first ON true
), unknown AS (
    SELECT gap.queue, gap.number, found.share, found.run_at
    FROM unnest($5::text[], $6::smallint[], $7::integer[], $8::bigint[]) AS gap(queue, number, after, before),
         LATERAL (
             WITH RECURSIVE found AS (
                 (SELECT j.share, j.run_at FROM engine.job j
                  WHERE j.queue_hash = hashtext(gap.queue) AND j.queue = gap.queue AND j.lane = gap.number AND j.share > gap.after AND j.share < gap.before AND j.state = 0
                  ORDER BY j.share, j.run_at LIMIT 1)
                 UNION ALL
                 SELECT next.share, next.run_at
                 FROM found, LATERAL (
                     SELECT j.share, j.run_at FROM engine.job j
                     WHERE j.queue_hash = hashtext(gap.queue) AND j.queue = gap.queue AND j.lane = gap.number AND j.share > found.share AND j.share < gap.before AND j.state = 0
                     ORDER BY j.share, j.run_at LIMIT 1
                 ) next
             )
             SELECT * FROM found LIMIT 1000
         ) found
)
SELECT queue AS "queue!", number AS "lane!", share AS "share!", run_at AS "first?", known AS "known!", now AS "now!", xmin AS "xmin!", xmax AS "xmax!", started AS "started!"
FROM (SELECT *, true AS known FROM known UNION ALL SELECT *, false FROM unknown) lanes, this

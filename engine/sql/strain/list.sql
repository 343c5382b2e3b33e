-- What keeps the database from its work, as the processes that are alive have met it of late: how many of them, since when, how often, and the newest
-- of their words. Reads a small table.
SELECT met.strain AS "strain!", count(*) AS "processes!", min(worker.seen - make_interval(secs => met.seconds)) AS "since!",
       sum(met.times)::bigint AS "times!", (array_agg(met.detail ORDER BY worker.seen DESC, worker.id))[1] AS "detail!"
FROM engine.worker, jsonb_to_recordset(worker.strains) AS met(strain text, seconds bigint, times bigint, detail text)
WHERE worker.seen + worker.lease >= engine.now()
GROUP BY met.strain

-- The state of the queue in one row.
SELECT (SELECT count(*) FROM engine.worker WHERE seen + lease >= engine.now()) AS "workers!",
       (SELECT count(*) FROM engine.worker WHERE seen + lease < engine.now()) AS "silent!",
       (SELECT count(*) FROM engine.job WHERE state = 0 AND run_at <= engine.now()) AS "ready!",
       (SELECT extract(epoch FROM engine.now() - min(run_at))::double precision FROM engine.job WHERE state = 0 AND run_at <= engine.now()) AS oldest_ready,
       (SELECT count(*) FROM engine.dead_letter) AS "dead_letters!",
       (SELECT count(*) FROM engine.sequence s WHERE s.key IN (
            SELECT held.key FROM engine.sequence held JOIN engine.dead_letter d ON d.id = held.job WHERE held.holds AND held.begun
        ) AND NOT s.begun) AS "held_up!"

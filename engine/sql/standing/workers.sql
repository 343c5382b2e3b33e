-- How many processes are alive, and how many have said nothing for longer than their lease. Reads a small table.
SELECT count(*) FILTER (WHERE seen + lease >= engine.now()) AS "alive!", count(*) FILTER (WHERE seen + lease < engine.now()) AS "silent!",
       engine.now() AS "now!" FROM engine.worker

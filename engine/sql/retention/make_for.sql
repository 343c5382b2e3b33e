-- Makes the partition for what is kept for $1 seconds from now on.
SELECT engine.make_day(engine.goes_on(make_interval(secs => $1)))::text AS done

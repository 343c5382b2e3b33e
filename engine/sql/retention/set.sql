-- Keeps the ends $2 of the queue $1 for $3 seconds from now on; returns the day on which goes what ends now. Its partition is made before.
INSERT INTO engine.retention AS r (queue, outcome, keep, goes) VALUES ($1, $2, make_interval(secs => $3), engine.goes_on(make_interval(secs => $3)))
ON CONFLICT (queue, outcome) DO UPDATE SET keep = excluded.keep, goes = excluded.goes
RETURNING goes

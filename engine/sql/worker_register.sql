-- Introduces a new incarnation of a process; its lease begins now.
INSERT INTO engine.worker (id, host, pid, version, kinds, schedules, lease) VALUES ($1, $2, $3, $4, $6, $7, make_interval(secs => $5))

-- Introduces a new incarnation of a process; its lease begins now.
INSERT INTO engine.worker (id, host, pid, version, kinds, schedules, queues, lease) VALUES ($1, $2, $3, $4, $6, $7, $8, make_interval(secs => $5))

INSERT INTO engine.worker (id, host, pid, version, lease) VALUES ($1, $2, $3, $4, make_interval(secs => $5))

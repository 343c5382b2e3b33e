-- Notes how far the step under way has come, where the attempt $2/$3 of process $1 still owns its job. Index: job_pkey; HOT.
UPDATE engine.job j SET note = $4 WHERE j.id = $2 AND engine.owns(j.state, j.token, j.worker, $3, $1)

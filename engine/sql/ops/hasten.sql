-- Makes a scheduled, retrying or waiting job due now. Moves nothing that runs.
UPDATE engine.job SET run_at = engine.clock() WHERE id = $1 AND state = 0 AND run_at > engine.now() RETURNING queue

-- Makes a scheduled, retrying or waiting job due now. One that runs is marked instead: if it is about to wait, it
-- looks once more at once, so that what came while it decided is not missed.
UPDATE engine.job
SET run_at = CASE WHEN state = 0 THEN engine.clock() ELSE run_at END, again = (state = 1)
WHERE id = $1 AND (state = 1 OR run_at > engine.now())
RETURNING queue, (state = 0) AS "due!"

-- A person says of the step of the run $1 of which nobody knew how it ended that it took effect and gave $2; or, where that is null, that
-- it had none. In the first case it stays begun until the run has read that. Index: dead_letter_pkey, step_pkey.
UPDATE engine.step SET state = CASE WHEN $2::text IS NULL THEN 'failed' ELSE state END, output = $2::json, detail = $3, wake_event = NULL,
       wake_at = NULL, deadline = NULL
WHERE job = $1 AND born = (SELECT d.created_at FROM engine.dead_letter d WHERE d.id = $1 AND d.reason = 'review') AND state = 'started'
RETURNING name

-- What the step $3 of the run $1, created at $2, gave, if it has ended and is not sealed. Index: step_pkey.
SELECT output FROM engine.step WHERE job = $1 AND born = $2 AND name = $3 AND state = 'done'

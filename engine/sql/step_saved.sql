-- Whether an attempt's own checkpoint of a step is there.
SELECT EXISTS (SELECT FROM engine.step WHERE job = $1 AND name = $2 AND token = $3 AND state = $4) AS "saved!"

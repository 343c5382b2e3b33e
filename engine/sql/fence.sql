-- Which of these attempts of process $1 still own their job, each locked until the transaction ends (L2). In the order
-- of their ids, so that two writers never wait for each other. Index: job_pkey.
SELECT j.id, j.token FROM engine.job j
JOIN unnest($2::uuid[], $3::bigint[]) AS mine(id, token) ON j.id = mine.id
WHERE j.id = ANY ($2) AND engine.owns(j.state, j.token, j.worker, mine.token, $1)
ORDER BY j.id
FOR NO KEY UPDATE OF j

-- Which of these attempts still own their job, each locked until the transaction ends (L2). In the order of
-- their ids, so that two writers never wait for each other. Index: job_pkey.
SELECT j.id, j.token FROM engine.job j
JOIN unnest($1::uuid[], $2::bigint[]) AS mine(id, token) ON j.id = mine.id
WHERE j.token = mine.token AND j.state = 1
ORDER BY j.id
FOR NO KEY UPDATE OF j

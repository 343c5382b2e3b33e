-- Which of these attempts no longer own their job: cancelled, rescued, or taken over (L10). Index: job_pkey.
SELECT i.id AS "id!", i.token AS "token!" FROM unnest($1::uuid[], $2::bigint[]) AS i(id, token)
WHERE NOT EXISTS (SELECT FROM engine.job j WHERE j.id = i.id AND j.token = i.token AND j.state = 1)

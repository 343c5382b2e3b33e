-- After a commit whose answer was lost: where each attempt's job stands now (L12).
-- owned: nothing of the finish was written. settled: this attempt's finish was, or made no difference. lost: superseded.
SELECT i.id AS "id!", i.token AS "token!",
       CASE
           WHEN engine.owns(j.state, j.token, j.worker, i.token, $1) THEN 'owned'
           WHEN j.token = i.token THEN 'settled'
           WHEN j.id IS NULL AND EXISTS (SELECT FROM engine.history h WHERE h.id = i.id AND h.token = i.token AND h.outcome <> 'cancelled') THEN 'settled'
           WHEN j.id IS NULL AND EXISTS (SELECT FROM engine.dead_letter d WHERE d.id = i.id AND d.token = i.token) THEN 'settled'
           ELSE 'lost'
       END AS "standing!"
FROM unnest($2::uuid[], $3::bigint[]) AS i(id, token) LEFT JOIN engine.job j ON j.id = i.id

-- Where each attempt's job stands now: after a commit whose answer was lost (L12), and where not all that was written
-- took effect. owned: it runs under the attempt's claim. waits: it was given back under its token. left: it left the queue
-- under its token, by the attempt's own doing. lost: superseded. Index: job_pkey, history_id, dead_letter_pkey.
SELECT i.id AS "id!", i.token AS "token!",
       CASE
           WHEN engine.owns(j.state, j.token, j.worker, i.token, $1) THEN 'owned'
           WHEN j.token = i.token AND j.state = 0 THEN 'waits'
           WHEN j.id IS NULL AND EXISTS (SELECT FROM engine.history h WHERE h.id = i.id AND h.token = i.token AND h.outcome <> 'cancelled') THEN 'left'
           WHEN j.id IS NULL AND EXISTS (SELECT FROM engine.dead_letter d WHERE d.id = i.id AND d.token = i.token) THEN 'left'
           ELSE 'lost'
       END AS "standing!"
FROM unnest($2::uuid[], $3::bigint[]) AS i(id, token) LEFT JOIN engine.job j ON j.id = ANY ($2) AND j.id = i.id

-- How children ended, and what they gave; those that have not ended are live, and say what their end wakes. Index: job_pkey, history_id, dead_letter_pkey, output_pkey.
SELECT child.id AS "id!",
       coalesce((SELECT 'live' FROM engine.job j WHERE j.id = child.id), (SELECT d.reason FROM engine.dead_letter d WHERE d.id = child.id),
                (SELECT h.outcome FROM engine.history h WHERE h.id = child.id ORDER BY h.finished_at DESC LIMIT 1), 'gone') AS "status!",
       (SELECT o.value::text FROM engine.output o WHERE o.job = child.id ORDER BY o.at DESC LIMIT 1) AS output,
       (SELECT d.failure ->> 'message' FROM engine.dead_letter d WHERE d.id = child.id) AS message,
       (SELECT j.wakes FROM engine.job j WHERE j.id = child.id) AS wakes
FROM unnest($1::uuid[]) WITH ORDINALITY AS child(id, place) ORDER BY child.place

-- What each of the keys $1 has given away, whose rows are locked: the jobs that run with it, and its next turn. A place
-- counts as long as the job that has it runs under the claim that took it. Not those of the claims $3-$4, which are being
-- judged: one that has a place was judged before, by a commit whose answer was lost. Of the sequences $2, who is the first. Index:
-- limiter_pkey, slot_pkey, job_pkey, sequence_begun, sequence_pkey, dead_letter_pkey.
SELECT l.key AS "key!", l.next_turn,
       (SELECT count(*) FROM engine.slot s
        WHERE s.key = l.key AND (s.job, s.token) NOT IN (SELECT * FROM unnest($3::uuid[], $4::bigint[]))
          AND s.token = (SELECT j.token FROM engine.job j WHERE j.id = s.job AND j.state = 1)) AS "running!",
       CASE WHEN l.key = ANY ($2::text[]) THEN engine.first_of(l.key) END AS first,
       engine.clock() AS "now!"
FROM engine.limiter l WHERE l.key = ANY ($1::text[])

-- Puts at the end of their sequences those of the jobs $1 that are in them no more, or not yet: a fork, one that was put back after its
-- end. Their keys are locked. Index: job_pkey, sequence_job.
INSERT INTO engine.sequence (key, job, holds)
SELECT own.key, j.id, own.holds FROM engine.job j, engine.sequences(j.limits) own
WHERE j.id = ANY ($1::uuid[]) AND own.key <> ALL (ARRAY(SELECT s.key FROM engine.sequence s WHERE s.job = j.id))
ORDER BY j.created_at, j.id

-- Gives waiting jobs what those bring that joined them, the last one last; one that has begun stays as it is, and so does one
-- without a unique key, of which nobody notes that it begins. One that was claimed and that its limits have not let begin is
-- taken back: whoever judges it finds that it is his no longer. One that stands aside for a limit is judged anew: the limits that
-- it has now may not be those that it waits for. It leaves the sequences that it is not in any more, and keeps its place in the others. Nothing
-- becomes ready below a lane's safe mark. Index: job_pkey, sequence_job; leaves job_lane behind where the lane or the time changes.
WITH replaced AS (
    UPDATE engine.job j
    SET state = 0, worker = NULL, attempt = j.attempt - j.state, payload = i.payload::json, limits = i.limits::json, priority = i.priority,
        lane = CASE WHEN j.blocked_on NOT LIKE 'limit:%' THEN 9 ELSE i.priority END,
        share = CASE WHEN j.takes_turns AND (j.blocked_on NOT LIKE 'limit:%') IS NOT TRUE THEN engine.share(j.workspace) ELSE 0 END,
        blocked_on = CASE WHEN j.blocked_on NOT LIKE 'limit:%' THEN j.blocked_on END,
        run_at = greatest(coalesce(i.run_at, engine.clock()), engine.clock()) + make_interval(secs => coalesce(i.delay, 0))
    FROM (
        SELECT DISTINCT ON (id) * FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::double precision[], $5::text[], $6::text[])
            WITH ORDINALITY AS i(id, priority, run_at, delay, payload, limits, place)
        ORDER BY id, place DESC
    ) i
    WHERE j.id = ANY ($1) AND j.id = i.id AND num_nonnulls(j.unique_key) = 1 AND NOT j.begun AND (j.state = 0 OR j.limits IS NOT NULL)
    RETURNING j.id, j.limits
)
DELETE FROM engine.sequence s USING replaced r
WHERE s.job = r.id AND NOT EXISTS (SELECT FROM engine.sequences(r.limits) own WHERE own.key = s.key)

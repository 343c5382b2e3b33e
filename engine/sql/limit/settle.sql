-- Writes what was judged of jobs that process $1 has claimed: places $2-$4 of those that begin and are still its, those that stand aside
-- $5-$7 until their key has room, those that have taken a turn $8-$10, and the next turns $11-$12 of the keys. Places of
-- the keys $13 that nobody has any more are forgotten. The commit waits for the disk as little as a claim's does. Returns
-- which of those that are to begin, $14-$15, are still ours. What is unique is marked as begun, which is when nobody replaces
-- it any more, and those that $16 says give back their unique keys.
-- Moves: running -> ready; the attempt is not counted. Index: job_pkey, slot_pkey, limiter_pkey, sequence_job.
WITH lax AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
), taken AS (
    INSERT INTO engine.slot (key, job, token)
    SELECT i.key, i.job, i.token FROM unnest($2::text[], $3::uuid[], $4::bigint[]) AS i(key, job, token) JOIN engine.job j
        ON j.id = ANY ($3) AND j.id = i.job AND engine.owns(j.state, j.token, j.worker, i.token, $1)
    ON CONFLICT (key, job) DO UPDATE SET token = excluded.token
), aside AS (
    UPDATE engine.job j SET state = 0, worker = NULL, attempt = j.attempt - 1, lane = 9, share = 0, blocked_on = 'limit:' || i.key
    FROM unnest($5::uuid[], $6::bigint[], $7::text[]) AS i(id, token, key)
    WHERE j.id = ANY ($5) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
), later AS (
    UPDATE engine.job j
    SET state = 0, worker = NULL, attempt = j.attempt - 1, lane = j.priority, share = CASE WHEN j.takes_turns THEN engine.share(j.workspace) ELSE 0 END, has_turn = true,
        run_at = greatest(i.turn, engine.clock())
    FROM unnest($8::uuid[], $9::bigint[], $10::timestamptz[]) AS i(id, token, turn)
    WHERE j.id = ANY ($8) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
), turns AS (
    UPDATE engine.limiter l SET next_turn = i.turn FROM unnest($11::text[], $12::timestamptz[]) AS i(key, turn)
    WHERE l.key = ANY ($11) AND l.key = i.key
), begun AS (
    UPDATE engine.job j SET begun = true, unique_key = CASE WHEN NOT i.gives_back THEN j.unique_key END
    FROM unnest($14::uuid[], $15::bigint[], $16::boolean[]) AS i(id, token, gives_back)
    WHERE j.id = ANY ($14) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1) AND num_nonnulls(j.unique_key) = 1
    RETURNING j.id
), firsts AS (
    UPDATE engine.sequence s SET begun = true WHERE s.job = ANY ($14) AND NOT s.begun
), forgotten AS (
    DELETE FROM engine.slot s WHERE s.key = ANY ($13::text[]) AND s.job <> ALL ($3)
    AND s.token IS DISTINCT FROM (SELECT j.token FROM engine.job j WHERE j.id = s.job AND j.state = 1)
)
SELECT j.id AS "id!" FROM unnest($14::uuid[], $15::bigint[]) AS i(id, token) JOIN engine.job j
    ON j.id = ANY ($14) AND j.id = i.id AND engine.owns(j.state, j.token, j.worker, i.token, $1)
WHERE EXISTS (SELECT FROM lax) AND j.unique_key IS NULL
UNION ALL SELECT id FROM begun

-- breaking: no, it only adds a table and functions.
-- Who comes after whom: the jobs of a key that run one after another, from their enqueue to their end. A row counts as long as its
-- job is live, or set aside where nobody may pass it, whatever becomes of the row.
CREATE TABLE engine.sequence (
    key   text COLLATE "C" NOT NULL,
    place bigint GENERATED ALWAYS AS IDENTITY,
    job   uuid NOT NULL,
    holds boolean NOT NULL,                         -- also when it has been set aside
    begun boolean NOT NULL DEFAULT false,           -- nobody comes before it any more
    PRIMARY KEY (key, place)
);

-- The key is not in it: where the planner takes the table for empty, it would look for the first of a key here, through the whole index.
CREATE INDEX sequence_job ON engine.sequence (job);
CREATE INDEX sequence_begun ON engine.sequence (key) WHERE begun;

-- The sequences that a job is in, by what limits it.
CREATE FUNCTION engine.sequences(limits json) RETURNS TABLE (key text, holds boolean) LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT own.value ->> 'key', NOT (own.value ->> 'may_be_passed')::boolean
    FROM json_array_elements(limits) own WHERE own.value ->> 'may_be_passed' IS NOT NULL
$$;

-- Whether a job still stands in its sequence. Both functions are PL/pgSQL, whose plans a session keeps: written in SQL and not
-- inlined, they would be planned anew by each statement that calls them, which costs more than what they do.
CREATE FUNCTION engine.stands(job uuid, holds boolean) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM engine.job j WHERE j.id = $1) OR $2 AND EXISTS (SELECT FROM engine.dead_letter d WHERE d.id = $1);
END $$;

-- Whose turn it is: who has begun and not ended, else who came first. Somebody who came first and whose transaction ended
-- last may find another one at it: that one has begun.
CREATE FUNCTION engine.first_of(key text) RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN coalesce(
        (SELECT s.job FROM engine.sequence s WHERE s.key = $1 AND s.begun AND engine.stands(s.job, s.holds) LIMIT 1),
        (SELECT s.job FROM engine.sequence s WHERE s.key = $1 AND engine.stands(s.job, s.holds) ORDER BY s.place LIMIT 1));
END $$;

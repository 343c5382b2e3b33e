-- The least that holds jobs, runs and their steps, and what becomes of them. No index but the keys.
CREATE TABLE job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state smallint NOT NULL DEFAULT 0, -- 0 ready, 1 claimed
    payload jsonb NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payload jsonb NOT NULL
);

CREATE TABLE step (
    run bigint NOT NULL,
    number smallint NOT NULL,
    output jsonb NOT NULL,
    PRIMARY KEY (run, number)
);

CREATE TABLE history (
    id bigint NOT NULL,
    payload jsonb NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now()
);

-- Claims a batch and commits, acknowledges it and commits. On the server, so that no client has to
-- read or write the ids: a limit for those that have one.
CREATE PROCEDURE claim_and_ack(batch integer) LANGUAGE plpgsql AS $$
DECLARE
    claimed bigint[];
BEGIN
    WITH ready AS MATERIALIZED (
        SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT batch FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE job SET state = 1 FROM ready WHERE job.id = ready.id RETURNING job.id
    )
    SELECT array_agg(id) INTO claimed FROM taken;
    COMMIT;
    WITH done AS (
        DELETE FROM job WHERE id = ANY (claimed) AND state = 1 RETURNING id, payload
    )
    INSERT INTO history (id, payload) SELECT id, payload FROM done;
    COMMIT;
END
$$;

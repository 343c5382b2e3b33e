-- breaking: no, it only adds a table, a sequence and functions.
-- Named locks for what is no job. A row decides who has one, a number that only rises tells holders apart.

-- The fence of every lock: rows go when nobody needs them, and no fence may come again. Never with a CACHE: each session would
-- have numbers in stock that are older than those which others have taken since.
CREATE SEQUENCE engine.lock_fence CACHE 1;

-- No index on `until`: renewals stay HOT.
CREATE TABLE engine.lock (
    name   text COLLATE "C" PRIMARY KEY,
    holder uuid,                                    -- who has it, another one each time; none when it was given back
    fence  bigint NOT NULL,
    until  timestamptz NOT NULL                     -- by engine.clock()
) WITH (fillfactor = 50);

-- Whether somebody may take it: the one place that decides. Inlined by the planner.
CREATE FUNCTION engine.lock_is_free(holder uuid, until timestamptz, at timestamptz) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT holder IS NULL OR until <= at $$;

-- Takes a lock for $2, or says who has it; waits for nobody. Who asks again with the same $2 is told what he has. The fence is drawn while
-- the row is locked: drawn with the row's first version, in the VALUES of an insert, it could be older than that of somebody who had
-- the lock meanwhile, gave it back, and whose row is gone. A row that somebody has locked is being taken, or its holder's
-- transaction has not ended: either way it is not free.
CREATE FUNCTION engine.take_lock(wanted text, taker uuid, lease interval,
                                 OUT held boolean, OUT holder uuid, OUT fence bigint, OUT remaining double precision)
LANGUAGE plpgsql AS $$
DECLARE found_row engine.lock;
BEGIN
    LOOP
        PERFORM FROM engine.lock l WHERE l.name = wanted AND engine.lock_is_free(l.holder, l.until, engine.clock()) FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE engine.lock l SET holder = taker, fence = nextval('engine.lock_fence'), until = engine.clock() + lease
            WHERE l.name = wanted RETURNING l.* INTO found_row;
        ELSE
            SELECT l.* INTO found_row FROM engine.lock l WHERE l.name = wanted;
        END IF;
        EXIT WHEN FOUND;
        INSERT INTO engine.lock (name, fence, until) VALUES (wanted, 0, engine.clock()) ON CONFLICT DO NOTHING;
    END LOOP;
    remaining := greatest(extract(epoch FROM found_row.until - engine.clock()), 0);
    held := coalesce(found_row.holder = taker, false) AND remaining > 0;
    holder := found_row.holder;
    fence := found_row.fence;
END $$;

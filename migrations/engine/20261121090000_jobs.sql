-- breaking: yes, the first version.
-- The queue, the durable runs and their history. Names are the contract of ARCHITECTURE.md.

CREATE SCHEMA IF NOT EXISTS engine;

-- The one clock that decides leases and due times (L5). STABLE, so that a comparison with it is an index
-- condition; tests replace both functions to freeze and move time.
CREATE FUNCTION engine.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT statement_timestamp() $$;

-- The same clock for stamping rows inside long statements and transactions.
CREATE FUNCTION engine.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT clock_timestamp() $$;

-- The fence, in one place (L2): a row that is running under this process's claim. The process is part of it because a
-- claim need not be on disk before it is acted on: if a crash of the database loses it, the next claim of that job
-- carries the same token. Inlined by the planner.
CREATE FUNCTION engine.owns(state smallint, held_token bigint, held_by uuid, token bigint, worker uuid) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT state = 1 AND held_token = token AND held_by = worker $$;

-- One row per live process incarnation; `seen` is its lease. No index on `seen`: heartbeats stay HOT.
CREATE TABLE engine.worker (
    id         uuid PRIMARY KEY,
    host       text NOT NULL,
    pid        integer NOT NULL,
    version    text NOT NULL,
    lease      interval NOT NULL,
    kinds      text[] NOT NULL,             -- what it can run
    queues     text[] NOT NULL,             -- what it serves
    schedules  text[] NOT NULL,             -- what it looks after
    started_at timestamptz NOT NULL DEFAULT engine.clock(),
    seen       timestamptz NOT NULL DEFAULT engine.clock()
) WITH (fillfactor = 50);

-- Incarnations that were declared dead and whose jobs are being freed. Declaring (delete the worker's row) and
-- freeing are two transactions, so that a claim in flight is either seen by the second or refused by the first.
CREATE TABLE engine.dead_worker (
    id         uuid PRIMARY KEY,
    host       text NOT NULL,
    pid        integer NOT NULL,
    declared_at timestamptz NOT NULL DEFAULT engine.clock()
);

-- The part of a lane in which a workspace's jobs stand where workspaces take turns: as the engine computes it.
CREATE FUNCTION engine.share(workspace uuid) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT greatest(bits::integer & 2147483647, 1)
    FROM replace(workspace::text, '-', '') AS hex,
         LATERAL (SELECT ('x' || substr(hex, 1, 8))::bit(32) # ('x' || substr(hex, 9, 8))::bit(32)
                       # ('x' || substr(hex, 17, 8))::bit(32) # ('x' || substr(hex, 25, 8))::bit(32) AS bits) words
$$;

-- What is to be done and what is being done; nothing else. A finished job leaves for `history`, a failed one for
-- `dead_letter`. No index holds state, token, worker or step: a claim and the start of a step are HOT updates (a bit more
-- than half of each page is kept free, for the second version of every row and its line pointer).
-- Texts that are compared are COLLATE "C", and payloads are json, not jsonb: they are kept, not looked into.
-- Columns of a fixed width come first, for a shorter row that is read faster; those that a claim changes stand beside each other,
-- as do those that a step changes: what an update writes to the WAL is all between the first and the last byte that differ.
-- One check says what must hold: Postgres reads the text of each anew in every statement, which cost runs a twentieth.
CREATE TABLE engine.job (
    id          uuid PRIMARY KEY,
    workspace   uuid NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT engine.clock(),
    run_at      timestamptz NOT NULL,
    share       integer NOT NULL DEFAULT 0,                          -- which part of the lane; 0 is everybody's
    crashes     integer NOT NULL DEFAULT 0,                          -- attempts that ended without a word
    kind_hash   integer NOT NULL,                                    -- hashtext(kind): what claims compare, the name itself costs them a tenth
    queue_hash  integer NOT NULL,                                    -- hashtext(queue): what the lanes' index compares
    priority    smallint NOT NULL,
    lane        smallint NOT NULL,                                   -- where it stands in line; -1 had begun, before all others; 9 aside
    takes_turns boolean NOT NULL DEFAULT false,                      -- its own part of the lane is engine.share(workspace)
    has_turn    boolean NOT NULL DEFAULT false,                      -- run_at is a turn that it has taken of all that limit its rate
    begun       boolean NOT NULL DEFAULT false,                      -- an attempt has run, or its limits have let the first one begin
    again       boolean NOT NULL DEFAULT false,                      -- somebody asked for another look while it ran
    token       bigint NOT NULL DEFAULT 0,                           -- the fence: one more at each claim
    attempt     integer NOT NULL DEFAULT 0,                          -- claims that count against the retries
    state       smallint NOT NULL DEFAULT 0,                         -- 0 ready or scheduled, 1 running
    worker      uuid,
    starts      integer NOT NULL DEFAULT 0,                          -- how often its step was begun, over all attempts
    begun_at    timestamptz,                                         -- when its step was begun
    step        text COLLATE "C",                                    -- the step that was begun and has not ended
    kind        text COLLATE "C" NOT NULL,
    queue       text COLLATE "C" NOT NULL,
    payload     json NOT NULL,
    unique_key  text COLLATE "C",
    limits      json,                                                -- what its keys allow, see limit.rs
    blocked_on  text COLLATE "C",                                    -- what it stands aside for
    wakes       text COLLATE "C",                                    -- the event that its parent waits for, child:<parent>/<step>: its end, or that of all with the same
    note        text,                                                -- what the step under way says of its progress
    CONSTRAINT job_is_consistent CHECK (
        priority BETWEEN 0 AND 3 AND (lane = priority OR lane = -1 OR lane = 9) AND (share = 0 OR takes_turns)
        AND (state = 1) = (worker IS NOT NULL) AND (lane = 9) = (blocked_on IS NOT NULL)
    )
) WITH (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Where jobs stand in line. Numbers only: with the queue's name at its head, each enqueue cost a twelfth more. Whoever looks for a
-- queue compares the name as well, in the row. The id is not in it, though claims might break ties by it: where the planner takes the table for empty, it would look jobs
-- up by their id here, through the whole index.
CREATE INDEX job_lane ON engine.job (queue_hash, lane, share, run_at);
-- At most one live job per kind and key: the row itself is the slot, so no crash can leak it (L11).
CREATE UNIQUE INDEX job_unique ON engine.job (kind, unique_key) WHERE unique_key IS NOT NULL;

-- Who stands aside for what. Claims do not touch it.
CREATE INDEX job_blocked ON engine.job (blocked_on, priority, created_at) WHERE blocked_on IS NOT NULL;

-- Whose children there are.
CREATE INDEX job_wakes ON engine.job (wakes) WHERE wakes IS NOT NULL;

-- What has happened, by key; the first one counts. One that came before anybody waited for it is found.
CREATE TABLE engine.event (
    key     text COLLATE "C" PRIMARY KEY,
    payload json NOT NULL,
    at      timestamptz NOT NULL DEFAULT engine.clock()
);

CREATE INDEX event_at ON engine.event (at);

-- A row for each key that limits something: whoever judges or frees locks it. `next_turn` is the first turn of its rate that
-- nobody has taken.
CREATE TABLE engine.limiter (
    key       text COLLATE "C" PRIMARY KEY,
    next_turn timestamptz,
    made_at   timestamptz NOT NULL DEFAULT engine.clock()
) WITH (fillfactor = 50);

-- Which jobs take a place of a key. It counts while the job runs under that token, whatever becomes of the row.
CREATE TABLE engine.slot (
    key   text COLLATE "C" NOT NULL,
    job   uuid NOT NULL,
    token bigint NOT NULL,
    PRIMARY KEY (key, job)
) WITH (fillfactor = 70);

CREATE INDEX slot_job ON engine.slot (job);

-- Schedules, kept by the processes that know them. The row is locked while its ticks are enqueued.
CREATE TABLE engine.schedule (
    name     text COLLATE "C" PRIMARY KEY,
    cron     text NOT NULL,
    zone     text NOT NULL,
    kind     text NOT NULL,
    next_at  timestamptz NOT NULL,                  -- infinity: never again
    last_at  timestamptz,
    last_job uuid,
    asked    boolean NOT NULL DEFAULT false,        -- somebody wants a tick now
    paused   boolean NOT NULL DEFAULT false,
    reason   text,
    made_at  timestamptz NOT NULL DEFAULT engine.clock()
) WITH (fillfactor = 50);

-- Each tick once, however many processes there are; its job, or why it has none.
CREATE TABLE engine.tick (
    schedule text COLLATE "C" NOT NULL,
    at       timestamptz NOT NULL,
    job      uuid,
    skipped  text,
    PRIMARY KEY (schedule, at),
    CHECK ((job IS NULL) = (skipped IS NOT NULL))
);

-- What is paused. Every claim reads it.
CREATE TABLE engine.pause (
    scope     text COLLATE "C" NOT NULL CHECK (scope IN ('queue', 'kind', 'workspace')),
    name      text COLLATE "C" NOT NULL,
    reason    text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT engine.clock(),
    PRIMARY KEY (scope, name)
);

-- Where each lane's claims may start: everything below `safe` is known to be gone. A process that starts reads it.
CREATE TABLE engine.lane (
    queue  text COLLATE "C" NOT NULL,
    lane   smallint NOT NULL,
    share  integer NOT NULL,
    safe   timestamptz NOT NULL,
    PRIMARY KEY (queue, lane, share)
) WITH (fillfactor = 50);

-- Idempotency keys of enqueues: the derived id of the key, and the job that answered it.
CREATE TABLE engine.enqueue_key (
    id         uuid PRIMARY KEY,
    job        uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT engine.clock(),
    expires_at timestamptz                                          -- none: it stands for that job for good
);

CREATE INDEX enqueue_key_expires ON engine.enqueue_key (expires_at) WHERE expires_at IS NOT NULL;

-- What a workspace counts where workspaces take turns: one of weight 2 begins twice as many jobs as one of weight 1,
-- while both have some. Whoever has no row has weight 1.
CREATE TABLE engine.weight (
    workspace uuid PRIMARY KEY,
    share     integer NOT NULL CHECK (share > 0),
    weight    double precision NOT NULL CHECK (weight > 0 AND weight <= 1000)
);

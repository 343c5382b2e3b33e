-- breaking: yes, the first version.
-- What became of jobs, and the durable runs among them. What grows with every job is partitioned, and leaves by partition: nothing
-- here is deleted row by row.

-- For how long the ends of a queue's jobs are kept, by how they ended; the queue '' stands for all that have no row of their own.
-- `goes` is the day on which what ends now may go: its partition is there before it stands here. Every ack reads it.
CREATE TABLE engine.retention (
    queue   text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL CHECK (outcome IN ('completed', 'degraded', 'cancelled')),
    keep    interval NOT NULL CHECK (keep BETWEEN interval '1 day' AND interval '3660 days'),
    goes    date NOT NULL,
    PRIMARY KEY (queue, outcome)
) WITH (fillfactor = 50);

-- How finished jobs ended. Append-only. A partition holds what goes on the same day; an outcome for which nothing says when that
-- is, is refused.
CREATE TABLE engine.history (
    id          uuid NOT NULL,
    workspace   uuid NOT NULL,
    kind        text NOT NULL,
    queue       text NOT NULL,
    priority    smallint NOT NULL,
    outcome     text NOT NULL,                  -- 'completed', 'degraded', 'cancelled'
    token       bigint NOT NULL,
    attempt     integer NOT NULL,
    crashes     integer NOT NULL,
    unique_key  text,
    payload     json NOT NULL,
    limits      json,
    takes_turns boolean NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT engine.clock(),
    goes        date NOT NULL
) PARTITION BY LIST (goes);

CREATE INDEX history_id ON engine.history (id);
CREATE TABLE engine.history_default PARTITION OF engine.history DEFAULT;

-- What needs a person: failed for good, quarantined after crashes, of unknown outcome, unknown or undecodable.
-- The payload is kept, so that each can be looked at and put back. It stays until somebody has decided.
CREATE TABLE engine.dead_letter (
    id         uuid PRIMARY KEY,
    workspace  uuid NOT NULL,
    kind       text NOT NULL,
    queue      text NOT NULL,
    priority   smallint NOT NULL,
    takes_turns boolean NOT NULL DEFAULT false,
    reason     text NOT NULL CHECK (reason IN ('failed', 'quarantined', 'review', 'undecodable', 'undone')),
    failure    jsonb NOT NULL,
    token      bigint NOT NULL,
    attempt    integer NOT NULL,
    crashes    integer NOT NULL,
    unique_key text,
    payload    json NOT NULL,
    limits     json,
    wakes      text,
    created_at timestamptz NOT NULL,
    died_at    timestamptz NOT NULL DEFAULT engine.clock()
);

CREATE INDEX dead_letter_workspace ON engine.dead_letter (workspace, died_at);

-- What follows has a partition for each month in which jobs were created: `created_at` and `born` are the job's own created_at, to
-- the last digit. A month goes when no job of it is left, neither live nor set aside nor in the history: a run that sleeps for a year
-- finds its checkpoints.

-- One row per durable run (a job whose kind declares steps): its plan, so that progress can be told from rows alone.
CREATE TABLE engine.run (
    id         uuid NOT NULL,
    workspace  uuid NOT NULL,
    kind       text NOT NULL,
    version    text NOT NULL,   -- of the code that enqueued it
    plan       jsonb NOT NULL,  -- [{"name", "weight"}] in order
    created_at timestamptz NOT NULL,
    forked_from uuid,           -- the run whose checkpoints it began with
    forked_at  text,            -- the first step of that one that it did not take over
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

CREATE INDEX run_workspace ON engine.run (workspace, created_at);
CREATE INDEX run_created ON engine.run (created_at);
CREATE TABLE engine.run_default PARTITION OF engine.run DEFAULT;

-- The checkpoints: how steps ended. The step that was begun and has not ended stands in the job's own row, so that a
-- checkpoint is written once. A row `started` is left only where that row moved on without an end: the job was set
-- aside or cancelled, or its next attempt began another step first. `token` is that of the attempt that wrote the row.
CREATE TABLE engine.step (
    job         uuid NOT NULL,
    born        timestamptz NOT NULL,
    name        text COLLATE "C" NOT NULL,
    state       text NOT NULL,               -- 'started', 'done', 'skipped', 'waiting', 'failed'
    token       bigint NOT NULL,
    starts      integer NOT NULL DEFAULT 0,  -- how often it was begun, over all attempts
    output      json,
    sealed      bytea,                       -- the output instead, where it holds secrets
    detail      text,                        -- why it was skipped, what it waits for, how it failed
    wake_event  text COLLATE "C",
    wake_at     timestamptz,
    deadline    timestamptz,                 -- when it stops waiting for its event
    started_at  timestamptz NOT NULL DEFAULT engine.clock(),
    finished_at timestamptz,
    PRIMARY KEY (job, born, name),
    CONSTRAINT step_is_consistent CHECK ((state = 'waiting') = (wake_at IS NOT NULL))
) PARTITION BY RANGE (born);

CREATE INDEX step_event ON engine.step (wake_event) WHERE state = 'waiting' AND wake_event IS NOT NULL;
CREATE TABLE engine.step_default PARTITION OF engine.step DEFAULT WITH (fillfactor = 70);

-- Every attempt's error and every crash, append-only.
CREATE TABLE engine.failure (
    job      uuid NOT NULL,
    born     timestamptz NOT NULL,
    token    bigint NOT NULL,
    attempt  integer NOT NULL,
    step     text,
    class    text NOT NULL,
    code     text NOT NULL,
    message  text NOT NULL,
    action   text,
    effect   text NOT NULL,
    retry_in interval,
    at       timestamptz NOT NULL DEFAULT engine.clock()
) PARTITION BY RANGE (born);

CREATE INDEX failure_job ON engine.failure (job, at);
CREATE TABLE engine.failure_default PARTITION OF engine.failure DEFAULT;

-- What jobs are found by, and what they gave as their output: tables of their own, so that a job that has neither pays nothing.
-- A tag's `at` is when the job was created, an output's when it ended.
CREATE TABLE engine.tag (
    tag text COLLATE "C" NOT NULL,
    at  timestamptz NOT NULL,
    job uuid NOT NULL,
    PRIMARY KEY (tag, at, job)
) PARTITION BY RANGE (at);

CREATE INDEX tag_job ON engine.tag (job);
CREATE TABLE engine.tag_default PARTITION OF engine.tag DEFAULT;

CREATE TABLE engine.output (
    job   uuid NOT NULL,
    value jsonb NOT NULL,
    at    timestamptz NOT NULL DEFAULT engine.clock(),
    PRIMARY KEY (job, at)
) PARTITION BY RANGE (at);

CREATE INDEX output_value ON engine.output USING gin (value jsonb_path_ops);
CREATE TABLE engine.output_default PARTITION OF engine.output DEFAULT;

-- Where each run stands, for operators and dashboards.
CREATE VIEW engine.run_status AS
SELECT r.id, r.workspace, r.kind, r.version, r.plan, r.created_at,
       coalesce(j.attempt, d.attempt, h.attempt, 0) AS attempt,
       coalesce(j.crashes, d.crashes, h.crashes, 0) AS crashes,
       CASE
           WHEN j.state = 1 THEN 'running'
           WHEN j.lane = 9 THEN 'aside'
           WHEN j.id IS NOT NULL AND w.waiting > 0 THEN 'waiting'
           WHEN j.id IS NOT NULL AND j.token = (r.forked_from IS NOT NULL)::integer THEN 'queued' -- a fork begins with token 1
           WHEN j.id IS NOT NULL THEN 'retrying'
           WHEN d.id IS NOT NULL THEN d.reason
           ELSE coalesce(h.outcome, 'unknown')
       END AS status,
       (w.done * 100 / greatest(p.total, 1))::integer AS percent,
       w.steps_done::integer, p.steps::integer AS steps,
       j.step AS current_step, CASE WHEN starts_with(j.note, j.step || E'\x1f') THEN substr(j.note, length(j.step) + 2) END AS note,
       CASE WHEN j.id IS NOT NULL THEN w.waits_for END AS waits_for, CASE WHEN j.id IS NOT NULL THEN w.waits_until END AS waits_until,
       j.blocked_on,
       CASE WHEN j.state = 0 THEN j.run_at END AS next_at,
       coalesce(d.died_at, h.finished_at) AS finished_at,
       d.failure, r.forked_from, r.forked_at
FROM engine.run r
LEFT JOIN engine.job j ON j.id = r.id AND j.created_at = r.created_at
LEFT JOIN engine.dead_letter d ON d.id = r.id AND d.created_at = r.created_at AND j.id IS NULL
LEFT JOIN LATERAL (
    SELECT * FROM engine.history h WHERE h.id = r.id AND h.created_at = r.created_at AND j.id IS NULL AND d.id IS NULL
    ORDER BY h.finished_at DESC LIMIT 1
) h ON true
CROSS JOIN LATERAL (
    SELECT coalesce(sum((p->>'weight')::bigint), 0) AS total, count(*) AS steps FROM jsonb_array_elements(r.plan) p
) p
CROSS JOIN LATERAL (
    SELECT coalesce(sum((p->>'weight')::bigint) FILTER (WHERE s.state = 'done'), 0) AS done,
           count(*) FILTER (WHERE s.state = 'done') AS steps_done,
           count(*) FILTER (WHERE waits) AS waiting,
           min(s.wake_at) FILTER (WHERE waits) AS waits_until,
           (array_agg(s.detail ORDER BY s.wake_at) FILTER (WHERE waits))[1] AS waits_for
    FROM jsonb_array_elements(r.plan) p JOIN engine.step s ON s.job = r.id AND s.born = r.created_at AND s.name = p->>'name'
    -- One that was begun, and whose end is not known, may wait for who can tell.
    CROSS JOIN LATERAL (SELECT s.state = 'waiting' AND (s.name IS DISTINCT FROM j.step OR j.state = 0 AND s.wake_at > engine.now()) AS waits) w
) w;

//! What the database itself notes of who writes.
//!
//! Triggers compare the writer of each row with the process that holds the job at that moment. They know nothing of
//! tokens, so they also see what happens without a fence.

use sqlx::PgPool;

/// The audit: a process is known by its number, which stands at the end of its connections' names.
const AUDIT: &str = r"
CREATE SCHEMA audit;
CREATE TABLE audit.stale_write (job uuid NOT NULL, what text NOT NULL, writer text NOT NULL, owner text, at timestamptz DEFAULT clock_timestamp());

CREATE FUNCTION audit.writer() RETURNS text LANGUAGE sql VOLATILE
    AS $$ SELECT split_part(current_setting('application_name'), '/', 2) $$;

-- The process that holds a job now; null when nobody does, or when it has been declared dead and is being freed.
CREATE FUNCTION audit.holder(held_by uuid) RETURNS text LANGUAGE sql VOLATILE
    AS $$ SELECT pid::text FROM engine.worker WHERE id = held_by $$;

CREATE FUNCTION audit.note(job uuid, what text, held_by uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE owner text := audit.holder(held_by);
BEGIN
    IF owner IS NOT NULL AND owner <> audit.writer() THEN
        INSERT INTO audit.stale_write (job, what, writer, owner) VALUES (job, what, audit.writer(), owner);
    END IF;
END $$;

CREATE FUNCTION audit.on_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit.note(NEW.job, 'checkpoint ' || NEW.name, (SELECT worker FROM engine.job WHERE id = NEW.job));
    RETURN NEW;
END $$;
CREATE TRIGGER audit BEFORE INSERT OR UPDATE ON engine.step FOR EACH ROW EXECUTE FUNCTION audit.on_step();

CREATE FUNCTION audit.on_give_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit.note(OLD.id, 'retry or release', OLD.worker);
    RETURN NEW;
END $$;
CREATE TRIGGER audit_update BEFORE UPDATE ON engine.job FOR EACH ROW
    WHEN (OLD.state = 1 AND NEW.state = 0) EXECUTE FUNCTION audit.on_give_back();

CREATE FUNCTION audit.on_begin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit.note(OLD.id, 'start of ' || NEW.step, OLD.worker);
    RETURN NEW;
END $$;
CREATE TRIGGER audit_begin BEFORE UPDATE ON engine.job FOR EACH ROW
    WHEN (OLD.state = 1 AND NEW.state = 1 AND NEW.begun_at IS DISTINCT FROM OLD.begun_at AND NEW.step IS NOT NULL)
    EXECUTE FUNCTION audit.on_begin();

CREATE FUNCTION audit.on_leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit.note(OLD.id, 'ack', OLD.worker);
    RETURN OLD;
END $$;
CREATE TRIGGER audit_delete BEFORE DELETE ON engine.job FOR EACH ROW
    WHEN (OLD.state = 1) EXECUTE FUNCTION audit.on_leave();

-- What recovery is measured by: who claimed what, who lost what to whom, who was struck, each by this server's clock.
CREATE TABLE audit.struck (pid integer NOT NULL, how text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE audit.claimed (job uuid NOT NULL, token bigint NOT NULL, pid integer, due timestamptz NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE audit.freed (job uuid NOT NULL, token bigint NOT NULL, pid integer, crashed boolean NOT NULL, first boolean NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE audit.beat (pid integer NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX ON audit.claimed (job, token);

CREATE FUNCTION audit.on_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO audit.claimed (job, token, pid, due)
    VALUES (NEW.id, NEW.token, (SELECT pid FROM engine.worker WHERE id = NEW.worker), NEW.run_at);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_claim AFTER UPDATE ON engine.job FOR EACH ROW
    WHEN (OLD.state = 0 AND NEW.state = 1) EXECUTE FUNCTION audit.on_claim();
CREATE TRIGGER audit_start AFTER INSERT ON engine.job FOR EACH ROW
    WHEN (NEW.state = 1) EXECUTE FUNCTION audit.on_claim();

CREATE FUNCTION audit.on_freed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO audit.freed (job, token, pid, crashed, first)
    SELECT OLD.id, OLD.token, (SELECT c.pid FROM audit.claimed c WHERE c.job = OLD.id AND c.token = OLD.token LIMIT 1),
           NEW.crashes > OLD.crashes, NEW.lane = -1;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_freed AFTER UPDATE ON engine.job FOR EACH ROW
    WHEN (OLD.state = 1 AND NEW.state = 0) EXECUTE FUNCTION audit.on_freed();

CREATE FUNCTION audit.on_beat() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO audit.beat (pid) VALUES (NEW.pid);
    RETURN NULL;
END $$;
CREATE TRIGGER audit_beat AFTER INSERT OR UPDATE ON engine.worker FOR EACH ROW EXECUTE FUNCTION audit.on_beat();
";

/// Heartbeats are answered late, with and without the fence: a process that wakes up learns late that it was declared
/// dead, so its attempts do write, and only the fence is left to refuse them.
const LATE_BEATS: &str = r"
CREATE FUNCTION audit.late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(0.3);
    RETURN NULL;
END $$;
CREATE TRIGGER late BEFORE UPDATE ON engine.worker FOR EACH STATEMENT EXECUTE FUNCTION audit.late();
";

/// Takes the fence away: whoever writes to a running job owns it. Writes that are more than a checkpoint or an ack read
/// the row's token as well and stay refused, so few of the late ones go through.
const NO_FENCE: &str = r"
CREATE OR REPLACE FUNCTION engine.owns(state smallint, held_token bigint, held_by uuid, token bigint, worker uuid) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT state = 1 $$;
";

/// How long it took, in milliseconds, from the kill of a process to the claim of each job that it held by another: the claim that
/// follows the rescue. Jobs that were quarantined wait for a person and are not among them.
const RECOVERED: &str = "
SELECT (extract(epoch FROM next.at - struck.at) * 1000)::float8
FROM audit.freed f
CROSS JOIN LATERAL (SELECT max(s.at) AS at FROM audit.struck s WHERE s.pid = f.pid AND s.how = $1 AND s.at <= f.at) struck
CROSS JOIN LATERAL (SELECT min(c.at) AS at FROM audit.claimed c WHERE c.job = f.job AND c.token > f.token) next
WHERE f.crashed = $2 AND f.first AND struck.at IS NOT NULL AND next.at IS NOT NULL
ORDER BY 1";

/// The same from the moment when a job was given back.
const PICKED_UP: &str = "
SELECT (extract(epoch FROM next.at - f.at) * 1000)::float8
FROM audit.freed f
CROSS JOIN LATERAL (SELECT min(c.at) AS at FROM audit.claimed c WHERE c.job = f.job AND c.token > f.token) next
WHERE NOT f.crashed AND f.first AND next.at IS NOT NULL AND EXISTS (SELECT FROM audit.struck s WHERE s.pid = f.pid AND s.how = $1 AND s.at <= f.at)
ORDER BY 1";

/// Says that a process is struck now.
///
/// # Panics
/// When the database refuses.
pub async fn strike(pool: &PgPool, pid: u32, how: &str) {
    let pid = i32::try_from(pid).unwrap_or_default();
    let noted =
        sqlx::query("INSERT INTO audit.struck (pid, how) VALUES ($1, $2)").bind(pid).bind(how);
    noted.execute(pool).await.expect("the strike is noted");
}

/// From each kill to the next claim of each job that the killed process held, in milliseconds.
///
/// # Panics
/// When the database refuses.
pub async fn recovered(pool: &PgPool) -> Vec<f64> {
    let times = sqlx::query_scalar(RECOVERED).bind("kill").bind(true).fetch_all(pool).await;
    times.expect("the database answers")
}

/// From the moment when a process that was told to end gave a job back to its next claim, in milliseconds.
///
/// # Panics
/// When the database refuses.
pub async fn picked_up(pool: &PgPool) -> Vec<f64> {
    let times = sqlx::query_scalar(PICKED_UP).bind("term").fetch_all(pool).await;
    times.expect("the database answers")
}

/// Notes from now on every write by a process that does not hold the job.
///
/// # Panics
/// When the database refuses.
pub async fn watch(pool: &PgPool) {
    sqlx::raw_sql(AUDIT).execute(pool).await.expect("the audit is installed");
}

/// Answers heartbeats late from now on; [`watch`] comes first.
///
/// # Panics
/// When the database refuses.
pub async fn answer_beats_late(pool: &PgPool) {
    sqlx::raw_sql(LATE_BEATS).execute(pool).await.expect("heartbeats are answered late");
}

/// Takes the fence away from now on; [`watch`] comes first.
///
/// # Panics
/// When the database refuses.
pub async fn take_the_fence_away(pool: &PgPool) {
    sqlx::raw_sql(NO_FENCE).execute(pool).await.expect("the fence is taken away");
}

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

//! Events: what runs wait for with [`Run::wait_for`](crate::Run::wait_for).

use serde::Serialize;
use sqlx::PgConnection;

use super::{OpsError, wake};

/// The longest key, in bytes.
const LONGEST_KEY: usize = 512;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emitted {
    /// It is the first with its key. A later one changes nothing.
    pub first: bool,
    /// How many runs waited for it.
    pub woken: usize,
}

/// Something has happened, in the caller's transaction.
///
/// The first event of a key counts, those who wait for it go on, and who comes to wait later finds it, for 31 days. In one
/// transaction, emit in the order of the keys.
///
/// # Errors
/// When the key is empty, longer than 512 bytes or contains NUL, when the payload is no JSON, or the database refuses.
pub async fn emit<T: Serialize + ?Sized>(
    conn: &mut PgConnection,
    key: &str,
    payload: &T,
) -> Result<Emitted, OpsError> {
    check_key(key).map_err(OpsError::Invalid)?;
    let payload = serde_json::to_string(payload)
        .map_err(|error| OpsError::Invalid(format!("the event {key:?} is no JSON: {error}")))?;
    let event = event_name(key);
    let lock = [event.clone()];
    sqlx::query_file!("sql/event/lock.sql", &lock).fetch_all(&mut *conn).await?;
    let kept = sqlx::query_file!("sql/event/emit.sql", key, payload).execute(&mut *conn).await?;
    let first = kept.rows_affected() > 0;
    let woken = if first { wake(conn, &event).await? } else { 0 };
    Ok(Emitted { first, woken })
}

/// What is wrong with a key.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() || key.len() > LONGEST_KEY || key.contains('\0') {
        return Err(format!(
            "the key of an event has 1 to {LONGEST_KEY} bytes, none of them NUL; this one has {}",
            key.len()
        ));
    }
    Ok(())
}

/// The event of a step that waits for this key, as it stands in rows.
pub(crate) fn event_name(key: &str) -> String {
    format!("event:{key}")
}

//! Parents and children: what the end of a child means to its parent, and the end of a parent to its children.

use serde::de::DeserializeOwned;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::enqueue::KEY_NAMESPACE;
use crate::ids::JobId;
use crate::loops::hints::Hint;
use crate::loops::lanes::LaneId;
use crate::loops::listen::send_all;

/// The child that a step of a run spawns, or the one at a place of a list: the same on every attempt.
pub(crate) fn child_of(parent: JobId, step: &str, place: Option<usize>) -> JobId {
    let name = place.map_or_else(
        || format!("{parent}\nchild\n{step}"),
        |place| format!("{parent}\nchild\n{step}\n{place}"),
    );
    JobId::from(Uuid::new_v5(&KEY_NAMESPACE, name.as_bytes()))
}

/// What a parent waits for: the end of one child, or of all that a step has spawned.
pub(crate) fn event_of(parent: JobId, step: &str) -> String {
    format!("child:{parent}/{step}")
}

/// Children have ended, in the caller's transaction, which has locked these events: their parents look again. Says where there is
/// work now.
pub(crate) async fn ended(
    conn: &mut PgConnection,
    events: &[&str],
) -> Result<Vec<Hint>, sqlx::Error> {
    let woken =
        sqlx::query_file!("sql/family/ended.sql", events as &[&str]).fetch_all(conn).await?;
    let hint = |number, share, queue: &str| Hint::at(queue, LaneId { number, share });
    Ok(woken.into_iter().map(|row| hint(row.lane, row.share, &row.queue)).collect())
}

/// How a child ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `live` while it has not.
    pub(crate) status: String,
    /// JSON.
    pub(crate) output: Option<String>,
    pub(crate) message: Option<String>,
    /// The event that its end will be, while it lives.
    pub(crate) wakes: Option<String>,
}

impl Ended {
    pub(crate) fn is_live(&self) -> bool {
        self.status == "live"
    }

    /// Its output, `null` where it gave none; or what went wrong, a sentence.
    pub(crate) fn result<T: DeserializeOwned>(&self, child: JobId) -> Result<T, String> {
        if !matches!(self.status.as_str(), "completed" | "degraded") {
            let message = self.message.as_deref().map_or(String::new(), |text| format!(": {text}"));
            return Err(format!("child {child} is {}{message}", self.status));
        }
        serde_json::from_str(self.output.as_deref().unwrap_or("null")).map_err(|error| {
            format!("the output of child {child} does not fit what its parent expects: {error}")
        })
    }
}

/// How these children ended, in their order.
pub(crate) async fn results(pool: &PgPool, children: &[JobId]) -> Result<Vec<Ended>, sqlx::Error> {
    let ids: Vec<Uuid> = children.iter().map(|child| child.uuid()).collect();
    let rows = sqlx::query_file!("sql/family/results.sql", &ids).fetch_all(pool).await?;
    let ended = rows.into_iter().map(|row| Ended {
        status: row.status,
        output: row.output,
        message: row.message,
        wakes: row.wakes,
    });
    Ok(ended.collect())
}

/// Tells the parents of children that ended where nobody could: a crash too many, an operator's hand in the tables.
pub(crate) async fn sweep(pool: &PgPool) -> Result<(), sqlx::Error> {
    let events = sqlx::query_file_scalar!("sql/family/orphans.sql").fetch_all(pool).await?;
    if events.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    sqlx::query_file!("sql/event/lock.sql", &events).fetch_all(&mut *tx).await?;
    let names: Vec<&str> = events.iter().map(String::as_str).collect();
    let hints = ended(&mut tx, &names).await?;
    tx.commit().await?;
    let payloads: Vec<String> = hints.iter().map(Hint::payload).collect();
    send_all(pool, &payloads).await;
    Ok(())
}

//! Jobs by what they are tagged with and what they gave, wherever they are.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;

use super::OpsError;
use crate::ids::{JobId, WorkspaceId};

/// What to look for; what is `None` or empty does not matter, but for one of tags and output.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// With all of these tags. The first one is looked up: the rarest is the quickest.
    pub tags: Vec<String>,
    /// With an output that contains this: `{"order": 7}` finds `{"order": 7, "paid": true}`.
    pub output: Option<Value>,
    /// Of this tenant.
    pub workspace: Option<WorkspaceId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Older than what the page before ended with.
    pub before: Option<(DateTime<Utc>, JobId)>,
    /// At most so many; 0 means 50.
    pub limit: i64,
}

/// A job that was found.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The job.
    pub id: JobId,
    /// When it was tagged, or where only its output was looked for, when it gave it. With the id, where the next page begins.
    pub at: DateTime<Utc>,
    /// `ready`, `scheduled`, `running`, `aside`, an outcome, why it was set aside, or `gone` where its history is.
    pub status: String,
    /// All of its tags, in order.
    pub tags: Vec<String>,
    /// Its output, if it gave one.
    pub output: Option<Value>,
}

/// Looks for jobs, the newest first. Takes as long among ten million jobs as among ten, as long as the first tag, or the output,
/// is not that of most of them.
///
/// # Errors
/// When neither a tag nor an output is given, or the database refuses.
pub async fn search(pool: &PgPool, search: &Search) -> Result<Vec<Found>, OpsError> {
    if search.tags.is_empty() && search.output.is_none() {
        return Err(OpsError::Invalid("give a tag or an output to look for".to_owned()));
    }
    let limit = if search.limit > 0 { search.limit } else { 50 };
    let rows = sqlx::query_file!(
        "sql/ops/search.sql",
        &search.tags,
        search.output,
        search.workspace.map(WorkspaceId::uuid),
        search.kind,
        search.before.map(|(at, _)| at),
        search.before.map(|(_, id)| id.uuid()),
        limit
    )
    .fetch_all(pool)
    .await?;
    let found = rows.into_iter().map(|row| Found {
        id: JobId::from(row.id),
        at: row.at,
        status: row.status,
        tags: row.tags,
        output: row.output,
    });
    Ok(found.collect())
}

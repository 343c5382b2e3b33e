//! Jobs, as an operator sees them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;

use super::{OpsError, why_aside};
use crate::enqueue::sealed::is_sealed;
use crate::ids::{JobId, WorkspaceId};

/// Which jobs or runs to list; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this tenant.
    pub workspace: Option<WorkspaceId>,
    /// Of this kind.
    pub kind: Option<String>,
    /// In this status.
    pub status: Option<String>,
    /// At most so many; 0 means 50.
    pub limit: i64,
}

impl Filter {
    pub(super) const fn limit(&self) -> i64 {
        if self.limit > 0 { self.limit } else { 50 }
    }
}

/// A job in a list.
#[derive(Debug, Clone, Serialize)]
pub struct JobView {
    /// The job.
    pub id: JobId,
    /// Its tenant.
    pub workspace: WorkspaceId,
    /// Its kind.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// `ready`, `scheduled`, `running`, an outcome, or why it was set aside.
    pub status: String,
    /// Attempts that counted.
    pub attempt: i32,
    /// Attempts that ended without a word.
    pub crashes: i32,
    /// At most one live job of its kind has this key.
    pub unique_key: Option<String>,
    /// When it is due, while it is live.
    pub run_at: Option<DateTime<Utc>>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
    /// Why it was set aside: class, code, message and the next action.
    pub failure: Option<Value>,
}

/// One attempt's error.
#[derive(Debug, Clone, Serialize)]
pub struct FailureView {
    /// The attempt.
    pub attempt: i32,
    /// The step, where it was in one.
    pub step: Option<String>,
    /// The class.
    pub class: String,
    /// The stable code.
    pub code: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub action: Option<String>,
    /// What is known of the effect on the other side.
    pub effect: String,
    /// Seconds until the retry, where there was one.
    pub retry_in: Option<f64>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A job with its payload and every attempt's error.
#[derive(Debug, Clone, Serialize)]
pub struct JobDetails {
    /// The job.
    #[serde(flatten)]
    pub job: JobView,
    /// What it is to do.
    pub payload: Value,
    /// Why it stands aside, while it does.
    pub aside: Option<String>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// What went wrong, oldest first.
    pub failures: Vec<FailureView>,
}

impl JobDetails {
    /// How long the payload is where it is stored, if it is sealed.
    #[must_use]
    pub fn sealed_bytes(&self) -> Option<usize> {
        let payload = self.payload.to_string();
        is_sealed(&payload).then_some(payload.len())
    }
}

/// Live jobs and dead letters, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(pool: &PgPool, filter: &Filter) -> Result<Vec<JobView>, OpsError> {
    let rows = sqlx::query_file_as!(
        JobView,
        "sql/ops/list_jobs.sql",
        filter.workspace.map(WorkspaceId::uuid),
        filter.kind,
        filter.status,
        filter.limit()
    )
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// One job, wherever it is.
///
/// # Errors
/// [`OpsError::NotFound`] when there is none.
pub async fn show(pool: &PgPool, id: JobId) -> Result<JobDetails, OpsError> {
    let row = sqlx::query_file!("sql/ops/show_job.sql", id.uuid())
        .fetch_optional(pool)
        .await?
        .ok_or(OpsError::NotFound(id))?;
    Ok(JobDetails {
        job: JobView {
            id: JobId::from(row.id),
            workspace: WorkspaceId::from(row.workspace),
            kind: row.kind,
            queue: row.queue,
            status: row.status,
            attempt: row.attempt,
            crashes: row.crashes,
            unique_key: row.unique_key,
            run_at: row.run_at,
            created_at: row.created_at,
            failure: row.failure,
        },
        payload: row.payload,
        aside: row.blocked_on.map(|on| why_aside(&on, row.first.map(JobId::from))),
        finished_at: row.finished_at,
        failures: failures(pool, id).await?,
    })
}

/// Every attempt's error, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn failures(pool: &PgPool, id: JobId) -> Result<Vec<FailureView>, OpsError> {
    let rows = sqlx::query_file_as!(FailureView, "sql/ops/failures.sql", id.uuid())
        .fetch_all(pool)
        .await?;
    Ok(rows)
}

//! A job with all that it was enqueued with, and its checkpoints, wherever it is: what a fork and an export begin with.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::OpsError;
use super::runs::PlannedStep;
use crate::ids::{JobId, WorkspaceId};

/// A job as it stands in rows, with its run where it has one.
pub(super) struct Source {
    pub(super) workspace: WorkspaceId,
    pub(super) kind: String,
    pub(super) queue: String,
    pub(super) priority: i16,
    pub(super) takes_turns: bool,
    pub(super) unique_key: Option<String>,
    /// JSON.
    pub(super) payload: String,
    /// JSON.
    pub(super) limits: Option<String>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) status: String,
    pub(super) failure: Option<Value>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    /// Of the code that enqueued the run; none where the kind declares no steps.
    pub(super) version: Option<String>,
    pub(super) plan: Option<Value>,
}

/// A checkpoint as it stands in its row.
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) starts: i32,
    /// JSON.
    pub(super) output: Option<String>,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) detail: Option<String>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    /// When it had certainly been begun, if that is known.
    pub(super) begun_by: Option<DateTime<Utc>>,
}

impl Source {
    /// # Errors
    /// [`OpsError::NotFound`] when it is nowhere, or no more.
    pub(super) async fn load(pool: &PgPool, id: JobId) -> Result<Self, OpsError> {
        sqlx::query_file_as!(Self, "sql/ops/source.sql", id.uuid())
            .fetch_optional(pool)
            .await?
            .ok_or(OpsError::NotFound(id))
    }

    /// The steps of its plan, in order; none where it has no run.
    pub(super) fn plan(&self) -> Vec<PlannedStep> {
        let plan = self.plan.clone().unwrap_or_default();
        serde_json::from_value(plan).unwrap_or_default()
    }

    /// Its checkpoints: those that ended in the order in which they did, then the rest.
    pub(super) async fn checkpoints(
        &self,
        pool: &PgPool,
        id: Uuid,
    ) -> Result<Vec<Stored>, OpsError> {
        let stored = sqlx::query_file_as!(Stored, "sql/ops/checkpoints.sql", id, self.created_at);
        Ok(stored.fetch_all(pool).await?)
    }
}

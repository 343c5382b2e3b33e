//! Pausing queues, kinds and workspaces: what runs goes on to the end of its attempt, nothing else begins.

use std::collections::HashSet;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use super::OpsError;
use crate::ids::WorkspaceId;
use crate::loops::hints::Hint;
use crate::loops::lanes::LaneId;
use crate::loops::listen::send_all;

/// The longest name of a queue or a kind, in bytes.
const LONGEST: usize = 200;

/// What is paused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// All jobs of a queue.
    Queue(String),
    /// All jobs of a kind, in whatever queue.
    Kind(String),
    /// All jobs of a workspace.
    Workspace(WorkspaceId),
}

impl Scope {
    const fn scope(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Kind(_) => "kind",
            Self::Workspace(_) => "workspace",
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Queue(name) | Self::Kind(name) => name.clone(),
            Self::Workspace(workspace) => workspace.to_string(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.scope(), self.name())
    }
}

/// What is paused, since when and why.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Pause {
    /// `queue`, `kind` or `workspace`.
    pub scope: String,
    /// Its name.
    pub name: String,
    /// Why, in the words of who did it.
    pub reason: String,
    /// Since when.
    pub paused_at: DateTime<Utc>,
    /// How many jobs stand aside for it; of a queue, none: they stand in their lanes.
    pub aside: i64,
}

/// Pauses from now on: claims of all processes heed it from the commit on. Jobs still come in, and keep their place. What is
/// paused already stays as it is, with its first reason.
///
/// # Errors
/// When the name is empty or longer than 200 bytes, or the database refuses.
pub async fn pause(pool: &PgPool, scope: &Scope, reason: &str) -> Result<(), OpsError> {
    let name = scope.name();
    if name.is_empty() || name.len() > LONGEST {
        return Err(OpsError::Invalid(format!(
            "the name of a {} has 1 to {LONGEST} bytes, not {}",
            scope.scope(),
            name.len()
        )));
    }
    sqlx::query_file!("sql/pause/add.sql", scope.scope(), name, reason).execute(pool).await?;
    if !matches!(scope, Scope::Queue(_)) {
        set_aside(pool).await?;
    }
    Ok(())
}

/// Resumes: what stood aside is due at once, or when it was to be. False when it was not paused.
///
/// # Errors
/// When the database refuses.
pub async fn resume(pool: &PgPool, scope: &Scope) -> Result<bool, OpsError> {
    let name = scope.name();
    let gone = sqlx::query_file!("sql/pause/remove.sql", scope.scope(), name).execute(pool).await?;
    if let Scope::Queue(queue) = scope {
        send_all(pool, &[Hint::anywhere(queue).payload()]).await;
    }
    let_back(pool).await?;
    Ok(gone.rows_affected() > 0)
}

/// What is paused, the oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(pool: &PgPool) -> Result<Vec<Pause>, OpsError> {
    Ok(sqlx::query_file_as!(Pause, "sql/pause/list.sql").fetch_all(pool).await?)
}

/// Takes what came meanwhile out of the lanes, and lets back what nothing is paused for any more.
pub(crate) async fn sweep(pool: &PgPool) -> Result<(), sqlx::Error> {
    set_aside(pool).await?;
    let_back(pool).await
}

async fn set_aside(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut after = Uuid::nil();
    while let Some(last) =
        sqlx::query_file_scalar!("sql/pause/set_aside.sql", after).fetch_one(pool).await?
    {
        after = last;
    }
    Ok(())
}

async fn let_back(pool: &PgPool) -> Result<(), sqlx::Error> {
    loop {
        let back = sqlx::query_file!("sql/pause/let_back.sql").fetch_all(pool).await?;
        if back.is_empty() {
            return Ok(());
        }
        let hints: HashSet<Hint> = back
            .iter()
            .map(|row| Hint::at(&row.queue, LaneId { number: row.lane, share: row.share }))
            .collect();
        let payloads: Vec<String> = hints.iter().map(Hint::payload).collect();
        send_all(pool, &payloads).await;
    }
}

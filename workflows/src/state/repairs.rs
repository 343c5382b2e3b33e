//! `studio.repair`: what checks found to differ from what was written down, what was done about it, and what came of that.

use autopilot_engine::{JobId, WorkspaceId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::health::Component;

/// What became of something that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Outcome {
    /// A provisioning was started to mend it, and has not ended.
    UnderWay,
    /// It has mended it.
    Mended,
    /// It has not.
    Failed,
    /// Our books were wrong, and are right now.
    WrittenDown,
    /// Only a person can mend it.
    Told,
}

impl Outcome {
    /// As it stands in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnderWay => "under_way",
            Self::Mended => "mended",
            Self::Failed => "failed",
            Self::WrittenDown => "written_down",
            Self::Told => "told",
        }
    }
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repair {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// When it was found.
    pub found_at: DateTime<Utc>,
    /// What it is about.
    pub component: Component,
    /// What differed.
    pub found: String,
    /// What was done.
    pub done: String,
    /// The provisioning that was started.
    pub run: Option<JobId>,
    /// What became of it.
    pub outcome: Outcome,
    /// When that was known.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What is to be written down of something that was found just now.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'a> {
    /// What it is about.
    pub component: Component,
    /// What differed.
    pub found: &'a str,
    /// What was done.
    pub done: &'a str,
    /// The provisioning that was started.
    pub run: Option<JobId>,
    /// What has become of it so far.
    pub outcome: Outcome,
}

/// Writes down what was found.
///
/// # Errors
/// The database's.
pub async fn note(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    finding: &Finding<'_>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.repair (workspace_id, found_at, component, found, done, run_id, outcome, ended_at)
         VALUES ($1, engine.now(), $2, $3, $4, $5, $6, CASE WHEN $6 <> 'under_way' THEN engine.now() END)",
        workspace.uuid(),
        finding.component.name(),
        finding.found,
        finding.done,
        finding.run.map(JobId::uuid),
        finding.outcome.name()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A provisioning has ended: what it was to mend is mended, but for the parts that it left out. What was given up before is, too.
///
/// # Errors
/// The database's.
pub async fn end(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: JobId,
    left_out: &[Component],
) -> Result<(), sqlx::Error> {
    let left_out: Vec<String> =
        left_out.iter().map(|component| component.name().to_owned()).collect();
    sqlx::query!(
        "UPDATE studio.repair SET outcome = CASE WHEN component = ANY ($3) THEN 'failed' ELSE 'mended' END, ended_at = engine.now()
         WHERE workspace_id = $1 AND run_id = $2 AND outcome IN ('under_way', 'failed')",
        workspace.uuid(),
        run.uuid(),
        &left_out
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Of what is under way only `run` can tell the end any more: whatever other runs were to mend, they have not.
///
/// # Errors
/// The database's.
pub async fn give_up(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: Option<JobId>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.repair SET outcome = 'failed', ended_at = engine.now()
         WHERE workspace_id = $1 AND outcome = 'under_way' AND run_id IS DISTINCT FROM $2",
        workspace.uuid(),
        run.map(JobId::uuid)
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was found, of one workspace or of all, the newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    conn: &mut PgConnection,
    workspace: Option<WorkspaceId>,
    limit: u32,
) -> Result<Vec<Repair>, sqlx::Error> {
    sqlx::query_as!(
        Repair,
        r#"SELECT workspace_id AS "workspace: WorkspaceId", found_at, component AS "component: Component", found, done,
               run_id AS "run: JobId", outcome AS "outcome: Outcome", ended_at
           FROM studio.repair WHERE $1::uuid IS NULL OR workspace_id = $1 ORDER BY id DESC LIMIT $2"#,
        workspace.map(WorkspaceId::uuid),
        i64::from(limit)
    )
    .fetch_all(conn)
    .await
}

/// Forgets what was found more than 90 days ago, a thousand at a time.
///
/// # Errors
/// The database's.
pub async fn forget(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM studio.repair WHERE id IN (
             SELECT id FROM studio.repair WHERE found_at < engine.now() - interval '90 days' ORDER BY found_at LIMIT 1000
         )"
    )
    .execute(conn)
    .await?;
    Ok(())
}

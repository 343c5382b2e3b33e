//! What starts a provisioning: a paid checkout, the end of the onboarding wizard, an operator, the sweep of all due.

use autopilot_engine::{
    EnqueueError, Enqueued, Job, JobId, NewJob, WorkspaceId, enqueue, enqueued_by_key, ops,
};
use sqlx::PgConnection;

use super::subscription::paid;
use super::{Provision, seen};
use crate::state::{health, workspaces};

/// What a trigger did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triggered {
    /// The run.
    pub run: JobId,
    /// Whether it was under way already: the trigger joined it, and what waits in it looks again.
    pub joined: bool,
}

/// Marks a studio due and starts its provisioning, or joins the run under way, in the caller's transaction.
///
/// `key` is the event that asks for it, for example a webhook's id: the same event starts no second run, nor is the studio due by it again.
///
/// # Errors
/// When the database refuses.
pub async fn trigger(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    key: Option<&str>,
) -> Result<Triggered, EnqueueError> {
    // The same event twice at once comes one after the other.
    workspaces::hold(&mut *conn, workspace).await?;
    if let Some(run) = enqueued_by_key(&mut *conn, &asked_by(workspace, key)?).await? {
        ops::hasten(conn, run).await?;
        return Ok(Triggered { run, joined: true });
    }
    workspaces::mark_due(&mut *conn, workspace).await?;
    start(conn, workspace, key).await
}

fn asked_by(workspace: WorkspaceId, key: Option<&str>) -> Result<NewJob, EnqueueError> {
    let job = NewJob::of(&Provision { workspace })?;
    Ok(match key {
        Some(key) => job.key(key),
        None => job,
    })
}

/// Starts or joins a run for each studio that is due, the longest due first; at most `limit`.
///
/// # Errors
/// When the database refuses.
pub async fn trigger_due(
    conn: &mut PgConnection,
    limit: u32,
) -> Result<Vec<(WorkspaceId, Triggered)>, EnqueueError> {
    let due = workspaces::due(&mut *conn, limit).await?;
    let mut started = Vec::with_capacity(due.len());
    for studio in due {
        started.push((studio.workspace, start(&mut *conn, studio.workspace, None).await?));
    }
    Ok(started)
}

/// Something changed about a studio's payment, in the caller's transaction: a run that waits for it goes on, and one
/// that is just deciding to wait looks once more.
pub(crate) async fn payment_changed(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<(), sqlx::Error> {
    ops::look_again(&mut *conn, Provision::KIND, &workspace.to_string()).await?;
    ops::signal(conn, &paid(workspace)).await?;
    Ok(())
}

/// The queue that a trigger's run waits in, for a wake-up after the commit.
impl Triggered {
    /// The queue of provisioning runs.
    pub const QUEUE: &'static str = Provision::QUEUE;
}

/// Starts a run, or joins the one under way.
pub(super) async fn start(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    key: Option<&str>,
) -> Result<Triggered, EnqueueError> {
    let job = asked_by(workspace, key)?;
    let mut joined = false;
    let mut run = None;
    for enqueued in enqueue(&mut *conn, &[job]).await? {
        run = Some(enqueued.id());
        if let Enqueued::Existing(id) = enqueued {
            joined = true;
            ops::hasten(&mut *conn, id).await?;
        }
    }
    if !joined {
        health::take_back(conn, workspace, &seen::not_done(workspace, true)).await?;
    }
    // One job in, one answer out.
    run.map(|run| Triggered { run, joined }).ok_or_else(|| EnqueueError::Contended {
        kind: Provision::KIND.to_owned(),
        key: workspace.to_string(),
    })
}

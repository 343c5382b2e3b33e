//! Telling a studio's own programs what happens: signed, for days if need be, and each time in the same words.
//!
//! What is told is written down in the transaction that it tells of: it is told if and only if that commits.

mod event_type;
mod job;

use autopilot_engine::{EnqueueError, JobId, NewJob, WorkspaceId, enqueue};
use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::state::{self, deliveries};
use crate::tenancy::Tenant;

pub use event_type::{EventType, UnknownEventType};
pub use job::Deliver;

/// How long it can be seen, and told again, what was told.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Tells a studio's endpoints of something, in the caller's transaction. How many are told.
///
/// # Errors
/// When the database refuses.
pub async fn tell(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    event_type: EventType,
    data: &Value,
) -> Result<usize, EnqueueError> {
    let now = state::now(&mut *conn).await?;
    let body = json!({ "type": event_type.name(), "timestamp": now.to_rfc3339(), "data": data })
        .to_string();
    let mut tenant = Tenant::enter(&mut *conn, workspace).await?;
    let told = deliveries::tell(&mut tenant, event_type.name(), &body, now).await?;
    if !told.is_empty() {
        // Whoever adds one takes some of the old ones away: nobody else has to come by.
        deliveries::forget(&mut tenant, now - KEPT).await?;
    }
    tenant.finish().await?;
    deliver(conn, workspace, &told).await?;
    Ok(told.len())
}

/// Posts deliveries, for the first time or once more, under the ids that they have; in the caller's transaction.
///
/// # Errors
/// When the database refuses.
pub async fn deliver(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    deliveries: &[Uuid],
) -> Result<Vec<JobId>, EnqueueError> {
    let jobs: Vec<NewJob> = deliveries
        .iter()
        .map(|delivery| NewJob::of(&Deliver { workspace, delivery: *delivery }))
        .collect::<Result<_, _>>()?;
    Ok(enqueue(conn, &jobs).await?.into_iter().map(|enqueued| enqueued.id()).collect())
}

//! When a studio's providers are asked next.

use std::time::Duration;

use autopilot_engine::WorkspaceId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::state::health::Component;

/// A provisioning has ended: one that left something out is looked at soon, or as late as checks that changed nothing have put it off; after
/// one that did not, the studio is as well as it can be.
///
/// # Errors
/// The database's.
pub async fn check_after_run(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    degraded: bool,
    soon: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.workspace
         SET check_wait = CASE WHEN $2 THEN coalesce(check_wait, make_interval(secs => $3)) END,
             check_at = CASE WHEN $2 THEN engine.now() + coalesce(check_wait, make_interval(secs => $3)) ELSE check_at END
         WHERE id = $1",
        workspace.uuid(),
        degraded,
        soon.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A check has ended. Who is well is asked about in a day, a little sooner or later; who is not, soon where something has changed, and else after
/// twice as long as the last time, a day at most.
///
/// # Errors
/// The database's.
pub async fn check_after_check(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    is_well: bool,
    has_changed: bool,
    soon: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.workspace SET check_wait = next.wait, check_at = engine.now() + coalesce(next.wait, interval '1 day' * (0.95 + 0.1 * random()))
         FROM (
             SELECT id, CASE WHEN $2 THEN NULL
                             WHEN $3 OR check_wait IS NULL THEN make_interval(secs => $4)
                             ELSE least(check_wait * 2, interval '1 day') END AS wait
             FROM studio.workspace WHERE id = $1
         ) AS next
         WHERE workspace.id = next.id",
        workspace.uuid(),
        is_well,
        has_changed,
        soon.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A check has not said how the workspace is: it is asked about again soon, in the turn that it has.
///
/// # Errors
/// The database's.
pub async fn check_again(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    soon: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.workspace SET check_at = engine.now() + make_interval(secs => $2) WHERE id = $1",
        workspace.uuid(),
        soon.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A workspace that is to be checked, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checked {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// When it is to be checked.
    pub at: DateTime<Utc>,
}

/// Who is to be checked until the next tick: those that are not well and due, the longest due first, and those whose day is over.
///
/// So many of each at most; who is left comes with the next tick. They do not come again before a day has passed, unless their check says so.
///
/// # Errors
/// The database's.
pub async fn take_due(
    conn: &mut PgConnection,
    tick: Duration,
    most_unwell: u32,
    most_daily: u32,
) -> Result<Vec<Checked>, sqlx::Error> {
    sqlx::query_as!(
        Checked,
        r#"WITH unwell AS MATERIALIZED (
               SELECT id, check_at FROM studio.workspace WHERE check_wait IS NOT NULL AND check_at <= engine.now()
               ORDER BY check_at LIMIT $2 FOR UPDATE SKIP LOCKED
           ), daily AS MATERIALIZED (
               SELECT id, check_at FROM studio.workspace WHERE check_wait IS NULL AND check_at <= engine.now() + make_interval(secs => $1)
               ORDER BY check_at LIMIT $3 FOR UPDATE SKIP LOCKED
           ), due AS (
               SELECT id, check_at FROM unwell UNION ALL SELECT id, check_at FROM daily
           ), taken AS (
               UPDATE studio.workspace SET check_at = engine.now() + interval '1 day' WHERE id = ANY (ARRAY(SELECT id FROM due))
           )
           SELECT id AS "workspace!: WorkspaceId", greatest(check_at, engine.now()) AS "at!" FROM due ORDER BY check_at"#,
        tick.as_secs_f64(),
        i64::from(most_unwell),
        i64::from(most_daily)
    )
    .fetch_all(conn)
    .await
}

/// What is new since it was looked last who is to be checked.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// When that was; none at first.
    pub since: Option<DateTime<Utc>>,
    /// Providers that the process did not know then which looked.
    pub new: Vec<Component>,
}

/// It is being looked who is to be checked, by a process that knows these providers. Who looks at the same time waits.
///
/// # Errors
/// The database's.
pub async fn sweep(
    conn: &mut PgConnection,
    configured: &[Component],
) -> Result<Sweep, sqlx::Error> {
    let names: Vec<String> =
        configured.iter().map(|component| component.name().to_owned()).collect();
    let before = sqlx::query!("SELECT swept_at, configured FROM studio.check_sweep FOR UPDATE")
        .fetch_optional(&mut *conn)
        .await?;
    sqlx::query!(
        "INSERT INTO studio.check_sweep (swept_at, configured) VALUES (engine.now(), $1)
         ON CONFLICT (is_only) DO UPDATE SET swept_at = excluded.swept_at, configured = excluded.configured",
        &names
    )
    .execute(conn)
    .await?;
    let is_new = |component: &&Component| {
        before.as_ref().is_none_or(|before| {
            before.configured.iter().all(|known| known.as_str() != component.name())
        })
    };
    let new = configured.iter().filter(is_new).copied().collect();
    Ok(Sweep { since: before.as_ref().map(|before| before.swept_at), new })
}

/// Whoever lacks one of these is checked now: they can be set up.
///
/// # Errors
/// The database's.
pub async fn check_who_lacks(
    conn: &mut PgConnection,
    components: &[Component],
    soon: Duration,
) -> Result<(), sqlx::Error> {
    let names: Vec<String> =
        components.iter().map(|component| component.name().to_owned()).collect();
    sqlx::query!(
        "UPDATE studio.workspace SET check_wait = make_interval(secs => $2), check_at = engine.now()
         WHERE id IN (SELECT workspace_id FROM studio.health WHERE standing = 'not_set_up' AND component = ANY ($1))",
        &names,
        soon.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whoever is not well because of this provider is checked now, in one workspace or in all: it answers again.
///
/// # Errors
/// The database's.
pub async fn check_who_fails(
    conn: &mut PgConnection,
    component: Component,
    workspace: Option<WorkspaceId>,
    soon: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.workspace SET check_wait = make_interval(secs => $3), check_at = engine.now()
         WHERE check_wait IS NOT NULL AND id IN (
             SELECT workspace_id FROM studio.health
             WHERE component = $1 AND severity IN ('warning', 'critical') AND ($2::uuid IS NULL OR workspace_id = $2)
         )",
        component.name(),
        workspace.map(WorkspaceId::uuid),
        soon.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// These are not well either, for something that their rows do not say: they are checked soon, unless they are being checked already.
///
/// # Errors
/// The database's.
pub async fn check_too(
    conn: &mut PgConnection,
    workspaces: &[WorkspaceId],
    soon: Duration,
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = workspaces.iter().map(|workspace| workspace.uuid()).collect();
    sqlx::query!(
        "UPDATE studio.workspace SET check_wait = make_interval(secs => $2), check_at = engine.now() + make_interval(secs => $2)
         WHERE id = ANY ($1::uuid[]) AND check_wait IS NULL",
        &ids,
        soon.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Who has been due for so long is not well, whatever came of its provisioning: it is checked, unless it is being checked already.
///
/// # Errors
/// The database's.
pub async fn check_who_is_due(conn: &mut PgConnection, soon: Duration) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.workspace SET check_wait = make_interval(secs => $1), check_at = engine.now()
         WHERE due_since < engine.now() - make_interval(secs => $1) AND check_wait IS NULL",
        soon.as_secs_f64()
    )
    .execute(conn)
    .await?;
    Ok(())
}

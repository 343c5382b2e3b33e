//! When a studio's providers are asked next.

use std::time::Duration;

use autopilot_engine::WorkspaceId;
use sqlx::PgConnection;

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

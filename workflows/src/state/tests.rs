//! The rows as their callers see them, on a real database.

mod platform;
mod purchases;
mod tenants;

use autopilot_engine::WorkspaceId;
use autopilot_engine::testing::TestDatabase;
use sqlx::migrate::Migrator;

use super::workspaces;
use crate::MIGRATOR;

static ENGINE: Migrator = sqlx::migrate!("../migrations/engine");

async fn database() -> TestDatabase {
    TestDatabase::create(&[&ENGINE, &MIGRATOR]).await
}

async fn workspace(db: &TestDatabase) -> WorkspaceId {
    let workspace = WorkspaceId::now_v7();
    let mut conn = db.pool().acquire().await.expect("a connection");
    // Twice: a checkout may be delivered twice.
    workspaces::ensure(&mut conn, workspace).await.expect("the workspace");
    workspaces::ensure(&mut conn, workspace).await.expect("the workspace");
    workspace
}

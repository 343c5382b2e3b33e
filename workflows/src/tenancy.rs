//! One studio's rows, and no other's: the only way to the tenant tables.
//!
//! Every statement on them runs as the role `autopilot_tenant`, which owns nothing and cannot bypass row-level
//! security, with the workspace in the variable `app.workspace_id`. Both hold for the transaction only, so that a
//! pooled connection never carries them to the next caller, also behind a pooler in transaction mode.
//!
//! The functions of [`crate::state`] take a [`Tenant`], and only this file makes one: forgetting to enter a
//! workspace does not compile.

mod error;
#[cfg(test)]
mod tests;
mod verify;

use autopilot_engine::WorkspaceId;
use sqlx::{Connection, PgConnection, PgPool, Postgres, Transaction};

pub use error::TenancyError;
pub use verify::verify;

/// A transaction that sees and writes the rows of one workspace only.
///
/// Dropped without [`finish`](Self::finish), its own transaction is rolled back. A lent one stays in the tenant's
/// role, so that whatever the caller writes next is refused rather than written under the wrong role.
#[must_use = "rows are written only by `finish`"]
pub struct Tenant<'c> {
    held: Held<'c>,
    workspace: WorkspaceId,
}

enum Held<'c> {
    Own(Transaction<'c, Postgres>),
    Lent(&'c mut PgConnection),
}

impl<'c> Tenant<'c> {
    /// Begins a transaction of its own; [`finish`](Self::finish) commits it.
    ///
    /// # Errors
    /// The database's, and those of [`Tenant::enter`].
    pub async fn begin(pool: &PgPool, workspace: WorkspaceId) -> Result<Tenant<'c>, sqlx::Error> {
        let mut tx = pool.begin().await?;
        assume(&mut tx, workspace).await?;
        Ok(Self { held: Held::Own(tx), workspace })
    }

    /// Enters the workspace within the caller's transaction, so that tenant rows commit together with the
    /// caller's; [`finish`](Self::finish) gives it back under its own role. One round trip each.
    ///
    /// # Errors
    /// [`sqlx::Error::InvalidArgument`] outside a transaction, where the role would not outlast the statement;
    /// else the database's, among them "permission denied to set role" where the login is no member of it.
    pub async fn enter(
        conn: &'c mut PgConnection,
        workspace: WorkspaceId,
    ) -> Result<Tenant<'c>, sqlx::Error> {
        if !conn.is_in_transaction() {
            return Err(sqlx::Error::InvalidArgument(
                "Tenant::enter needs a transaction: begin one on this connection, or use Tenant::begin"
                    .to_owned(),
            ));
        }
        assume(conn, workspace).await?;
        Ok(Self { held: Held::Lent(conn), workspace })
    }

    /// Whose rows these are.
    #[must_use]
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Commits the transaction of [`Tenant::begin`]; leaves that of [`Tenant::enter`] to its caller.
    ///
    /// # Errors
    /// The database's. After a failed commit nobody knows whether it took effect: read again before repeating.
    pub async fn finish(self) -> Result<(), sqlx::Error> {
        match self.held {
            Held::Own(tx) => tx.commit().await,
            Held::Lent(conn) => leave(conn).await,
        }
    }

    /// The connection, for the statements of [`crate::state`].
    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        match &mut self.held {
            Held::Own(tx) => tx,
            Held::Lent(conn) => conn,
        }
    }
}

/// Takes on the tenant's role. `SET` takes no parameters, `set_config` does and saves a round trip.
async fn assume(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT set_config('role', 'autopilot_tenant', true) AS role,
                set_config('app.workspace_id', $1, true) AS workspace",
        workspace.to_string()
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

/// Takes off the tenant's role, back to that of the login.
async fn leave(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "SELECT set_config('role', 'none', true) AS role,
                set_config('app.workspace_id', '', true) AS workspace"
    )
    .fetch_one(conn)
    .await?;
    Ok(())
}

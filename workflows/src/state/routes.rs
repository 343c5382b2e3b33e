//! `studio.route`: which workspace a provider's own name belongs to. It is asked before any tenant is entered, for what comes in
//! from a provider names nothing of ours.

use std::fmt;

use autopilot_engine::WorkspaceId;
use sqlx::PgConnection;

use super::provider::Provider;

/// A provider's own name of something that belongs to one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Name<'a> {
    /// A Stripe Connect account (`acct_…`) or a Twilio account (`AC…`).
    Account(Provider, &'a str),
    /// Somebody whom only this workspace wrote to last: digits of the number, or WhatsApp's own id of the person.
    Contact(&'a str),
    /// A WhatsApp message of ours (`wamid.…`).
    Message(&'a str),
}

impl Name<'_> {
    const fn provider(self) -> Provider {
        match self {
            Self::Account(provider, _) => provider,
            Self::Contact(_) | Self::Message(_) => Provider::Whatsapp,
        }
    }
}

/// As it stands in rows.
impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(_, name) => write!(f, "account:{name}"),
            Self::Contact(name) => write!(f, "contact:{name}"),
            Self::Message(name) => write!(f, "message:{name}"),
        }
    }
}

/// The workspace that the name belongs to, if it is known.
///
/// # Errors
/// The database's.
pub async fn find(
    conn: &mut PgConnection,
    name: Name<'_>,
) -> Result<Option<WorkspaceId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT workspace_id AS "workspace: WorkspaceId" FROM studio.route WHERE provider = $1 AND name = $2"#,
        name.provider() as Provider,
        name.to_string()
    )
    .fetch_optional(conn)
    .await
}

/// The name belongs to this workspace, if it has belonged to nobody; whose it is now.
///
/// # Errors
/// The database's.
pub async fn claim(
    conn: &mut PgConnection,
    name: Name<'_>,
    workspace: WorkspaceId,
) -> Result<WorkspaceId, sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.route (provider, name, workspace_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        name.provider() as Provider,
        name.to_string(),
        workspace.uuid()
    )
    .execute(&mut *conn)
    .await?;
    Ok(find(conn, name).await?.unwrap_or(workspace))
}

/// From now on the name belongs to this workspace.
///
/// # Errors
/// The database's.
pub async fn put(
    conn: &mut PgConnection,
    name: Name<'_>,
    workspace: WorkspaceId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.route (provider, name, workspace_id) VALUES ($1, $2, $3)
         ON CONFLICT (provider, name) DO UPDATE SET workspace_id = excluded.workspace_id
         WHERE route.workspace_id <> excluded.workspace_id",
        name.provider() as Provider,
        name.to_string(),
        workspace.uuid()
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The workspace's account is this one from now on, and no other of that provider any more.
///
/// # Errors
/// The database's.
pub async fn replace_account(
    conn: &mut PgConnection,
    provider: Provider,
    account: &str,
    workspace: WorkspaceId,
) -> Result<(), sqlx::Error> {
    let name = Name::Account(provider, account);
    sqlx::query!(
        "DELETE FROM studio.route
         WHERE provider = $1 AND workspace_id = $2 AND name <> $3 AND name > 'account:' AND name < 'account;'",
        provider as Provider,
        workspace.uuid(),
        name.to_string()
    )
    .execute(&mut *conn)
    .await?;
    put(conn, name, workspace).await
}

/// At most `limit` accounts of a provider after this one, each with its workspace.
///
/// # Errors
/// The database's.
pub async fn accounts(
    conn: &mut PgConnection,
    provider: Provider,
    after: &str,
    limit: u32,
) -> Result<Vec<(String, WorkspaceId)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT substr(name, 9) AS "account!", workspace_id AS "workspace: WorkspaceId" FROM studio.route
           WHERE provider = $1 AND name > 'account:' || $2 AND name < 'account;' ORDER BY name LIMIT $3"#,
        provider as Provider,
        after,
        i64::from(limit)
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.account, row.workspace)).collect())
}

//! `studio.email_account`: the mail server that the studio sends through. The password is sealed.

use autopilot_engine::secrets::{Place, Vault};
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::SealedError;
use crate::tenancy::Tenant;

/// How to log in to the studio's mail server.
#[derive(Debug, Clone)]
pub struct EmailAccount {
    /// The server's host name.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// Who logs in.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// How the connection is encrypted.
    pub tls: Tls,
}

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
pub enum Tls {
    /// From the first byte on, as on port 465.
    Implicit,
    /// After `STARTTLS`, which the server must offer, as on port 587.
    StartTls,
    /// Not at all: a server on this machine.
    None,
}

/// The account, and when a login last succeeded; not yet is `None`.
///
/// # Errors
/// The database's, and the vault's where the password does not open.
pub async fn get(
    tenant: &mut Tenant<'_>,
    vault: &Vault,
) -> Result<Option<(EmailAccount, Option<DateTime<Utc>>)>, SealedError> {
    let row = sqlx::query!(
        r#"SELECT host, port, username, password, tls AS "tls: Tls", verified_at
           FROM studio.email_account WHERE workspace_id = $1"#,
        tenant.workspace().uuid()
    )
    .fetch_optional(tenant.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };

    let port = u16::try_from(row.port).map_err(|error| sqlx::Error::ColumnDecode {
        index: "port".to_owned(),
        source: Box::new(error),
    })?;
    let password =
        vault.unseal_text(&place(tenant, &row.host, &row.username), &row.password).await?;
    let account =
        EmailAccount { host: row.host, port, username: row.username, password, tls: row.tls };
    Ok(Some((account, row.verified_at)))
}

/// Writes the account. It counts as unverified until [`mark_verified`].
///
/// # Errors
/// The database's, and the vault's.
pub async fn upsert(
    tenant: &mut Tenant<'_>,
    vault: &Vault,
    account: &EmailAccount,
) -> Result<(), SealedError> {
    let place = place(tenant, &account.host, &account.username);
    let password = vault.seal_text(&place, &account.password).await?;
    sqlx::query!(
        "INSERT INTO studio.email_account (workspace_id, host, port, username, password, tls)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (workspace_id) DO UPDATE
         SET host = excluded.host, port = excluded.port, username = excluded.username,
             password = excluded.password, tls = excluded.tls, verified_at = NULL",
        tenant.workspace().uuid(),
        account.host,
        i32::from(account.port),
        account.username,
        password,
        account.tls as Tls
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// Records that a login succeeded just now.
///
/// # Errors
/// The database's; [`sqlx::Error::RowNotFound`] where the studio has no account.
pub async fn mark_verified(tenant: &mut Tenant<'_>) -> Result<(), sqlx::Error> {
    let updated = sqlx::query!(
        "UPDATE studio.email_account SET verified_at = now() WHERE workspace_id = $1",
        tenant.workspace().uuid()
    )
    .execute(tenant.conn())
    .await?;
    if updated.rows_affected() == 0 { Err(sqlx::Error::RowNotFound) } else { Ok(()) }
}

/// The password is bound to the login it is for: whoever changes the host in the row cannot have it sent there.
fn place(tenant: &Tenant<'_>, host: &str, username: &str) -> Place<'static> {
    Place {
        workspace: tenant.workspace(),
        table: "studio.email_account",
        column: "password",
        row: format!("{username}@{host}").into(),
    }
}

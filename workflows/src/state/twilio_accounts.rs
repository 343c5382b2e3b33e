//! `studio.twilio_account`: the studio's own Twilio account and how to act in it. Token and secret are sealed.

use autopilot_engine::secrets::{Place, Vault};
use secrecy::SecretString;

use super::SealedError;
use crate::tenancy::Tenant;

/// The studio's Twilio account.
#[derive(Debug, Clone)]
pub struct TwilioAccount {
    /// The account (`AC…`).
    pub account_sid: String,
    /// Its token, which also signs its webhooks.
    pub auth_token: SecretString,
    /// The key that calls are made with, once there is one.
    pub api_key: Option<ApiKey>,
}

/// An API key of the account.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The key (`SK…`).
    pub sid: String,
    /// Its secret, which Twilio shows only once.
    pub secret: SecretString,
}

/// The account, if the studio has one.
///
/// # Errors
/// The database's, and the vault's where token or secret does not open.
pub async fn get(
    tenant: &mut Tenant<'_>,
    vault: &Vault,
) -> Result<Option<TwilioAccount>, SealedError> {
    let row = sqlx::query!(
        "SELECT account_sid, auth_token, api_key_sid, api_key_secret
         FROM studio.twilio_account WHERE workspace_id = $1",
        tenant.workspace().uuid()
    )
    .fetch_optional(tenant.conn())
    .await?;
    let Some(row) = row else { return Ok(None) };

    let auth_token = place(tenant, "auth_token", &row.account_sid);
    let auth_token = vault.unseal_text(&auth_token, &row.auth_token).await?;
    let api_key = match row.api_key_sid.zip(row.api_key_secret) {
        Some((sid, sealed)) => {
            let secret = place(tenant, "api_key_secret", &sid);
            Some(ApiKey { secret: vault.unseal_text(&secret, &sealed).await?, sid })
        }
        None => None,
    };
    Ok(Some(TwilioAccount { account_sid: row.account_sid, auth_token, api_key }))
}

/// Writes the account with its token and key, as a whole.
///
/// # Errors
/// The database's: among them an account that another workspace has; the vault's.
pub async fn upsert(
    tenant: &mut Tenant<'_>,
    vault: &Vault,
    account: &TwilioAccount,
) -> Result<(), SealedError> {
    let auth_token = place(tenant, "auth_token", &account.account_sid);
    let auth_token = vault.seal_text(&auth_token, &account.auth_token).await?;
    let (api_key_sid, api_key_secret) = match &account.api_key {
        Some(ApiKey { sid, secret }) => {
            let place = place(tenant, "api_key_secret", sid);
            (Some(sid), Some(vault.seal_text(&place, secret).await?))
        }
        None => (None, None),
    };
    sqlx::query!(
        "INSERT INTO studio.twilio_account
             (workspace_id, account_sid, auth_token, api_key_sid, api_key_secret)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (workspace_id) DO UPDATE
         SET account_sid = excluded.account_sid, auth_token = excluded.auth_token,
             api_key_sid = excluded.api_key_sid, api_key_secret = excluded.api_key_secret",
        tenant.workspace().uuid(),
        account.account_sid,
        auth_token,
        api_key_sid,
        api_key_secret
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// A secret is bound to the account or key that it opens, so that none can be swapped for another.
fn place<'a>(tenant: &Tenant<'_>, column: &'static str, sid: &'a str) -> Place<'a> {
    Place { workspace: tenant.workspace(), table: "studio.twilio_account", column, row: sid.into() }
}

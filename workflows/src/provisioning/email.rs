//! Step 5, optional: the mail server, verified by a handshake that sends nothing.

use autopilot_engine::{At, Result, Stop};
use serde::{Deserialize, Serialize};

use super::subaccount::no_keyring;
use crate::app::App;
use crate::integrations::email::{Config, Tls};
use crate::state::email_accounts::{self, EmailAccount};
use crate::tenancy::Tenant;

/// The server that took our credentials.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Verified {
    pub(super) host: String,
}

pub(super) async fn ensure(at: At<'_, App>) -> Result<Verified> {
    let Some(email) = at.app.email.as_ref() else {
        return Err(Stop::skip(
            "e-mail is not configured: set SMTP_HOST, SMTP_PORT, SMTP_USER and SMTP_PASSWORD",
        ));
    };
    let vault = at.vault().ok_or_else(|| Stop::Failed(no_keyring()))?;
    email.client.ping().await?;
    let account = account(&email.config);
    let mut tx = at.begin().await?;
    let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
    email_accounts::upsert(&mut tenant, vault, &account).await?;
    email_accounts::mark_verified(&mut tenant).await?;
    tenant.finish().await?;
    tx.commit().await?;
    Ok(Verified { host: account.host })
}

/// The deployment's mail server, as the studio's own: a studio that brings its own replaces it.
fn account(config: &Config) -> EmailAccount {
    let (username, password) = match &config.credentials {
        Some(credentials) => (credentials.username.clone(), credentials.password.clone()),
        None => (String::new(), String::new().into()),
    };
    EmailAccount {
        host: config.host.clone(),
        port: config.port,
        username,
        password,
        tls: match config.tls {
            Tls::Implicit => email_accounts::Tls::Implicit,
            Tls::StartTls => email_accounts::Tls::StartTls,
            Tls::None => email_accounts::Tls::None,
        },
    }
}

//! Whether the mail server takes our credentials.

use autopilot_engine::{At, Result, Stop};

use super::found::{Found, judged};
use crate::app::{App, MailServer};
use crate::provisioning::no_keyring;
use crate::state::email_accounts;
use crate::state::health::Component;
use crate::tenancy::Tenant;

const PART: Component = Component::Email;

pub(super) async fn ask(at: At<'_, App>) -> Result<Found> {
    let Some(email) = at.app.email.as_ref() else {
        at.asked_nobody();
        return Ok(Found::not_set_up(PART));
    };
    judged(PART, compare(&at, email).await)
}

async fn compare(at: &At<'_, App>, email: &MailServer) -> Result<Found> {
    let vault = at.vault().ok_or_else(|| Stop::Failed(no_keyring()))?;
    let mut tenant = Tenant::begin(at.pool, at.workspace).await?;
    let kept = email_accounts::get(&mut tenant, vault).await?;
    tenant.finish().await?;
    email.client.ping().await?;
    Ok(match kept {
        Some((_, Some(_verified))) => Found::well(PART, "the handshake succeeded"),
        Some((_, None)) | None => Found::differs(PART, "the studio's mail is not set up yet"),
    })
}

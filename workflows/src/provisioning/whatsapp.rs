//! Step 4: the WhatsApp number that the studio's coach writes from.

use autopilot_engine::{At, Class, Failure, Result, Stop};
use serde::{Deserialize, Serialize};

use crate::app::{App, WhatsAppLine};
use crate::integrations::whatsapp::LineStatus;
use crate::state::whatsapp_channels::{self, WhatsappChannel};
use crate::tenancy::Tenant;

/// The studio's line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Channel {
    pub(super) display_number: String,
}

pub(super) async fn ensure(at: At<'_, App>) -> Result<Channel> {
    let Some(line) = at.app.whatsapp.as_ref() else {
        return Err(Stop::skip(
            "WhatsApp is not configured: set WHATSAPP_API_TOKEN, WHATSAPP_PHONE_NUMBER_ID and WHATSAPP_BUSINESS_ACCOUNT_ID",
        ));
    };
    let seen = connected(line).await?;
    // Subscribing twice is subscribing once, so it needs no look-up first.
    at.before_call().await?;
    line.client.subscribe_app(&line.business_account).await?;
    let row = WhatsappChannel {
        phone_number_id: line.phone_number.as_str().to_owned(),
        business_account_id: line.business_account.as_str().to_owned(),
        display_number: seen.display_phone_number.clone(),
        verified_name: seen.verified_name.unwrap_or_default(),
    };
    let mut tx = at.begin().await?;
    let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
    whatsapp_channels::upsert(&mut tenant, &row).await?;
    tenant.finish().await?;
    tx.commit().await?;
    Ok(Channel { display_number: seen.display_phone_number })
}

/// The number, if Meta says that it can send and receive.
pub(crate) async fn connected(line: &WhatsAppLine) -> Result<crate::integrations::whatsapp::Line> {
    let seen = line.client.phone_number(&line.phone_number).await?;
    match &seen.status {
        Some(LineStatus::NotConnected(word)) => Err(Stop::Failed(
            Failure::new(
                Class::ProvisioningError,
                "whatsapp_not_connected",
                format!(
                    "Meta says that the WhatsApp number {} is {word}",
                    seen.display_phone_number
                ),
            )
            .action("connect the number in WhatsApp Manager, then `autopilot runs retry`"),
        )),
        Some(LineStatus::Connected) | None => Ok(seen),
    }
}

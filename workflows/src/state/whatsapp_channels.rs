//! `studio.whatsapp_channel`: the number that the studio writes from on WhatsApp.

use super::Checked;
use crate::tenancy::Tenant;

/// The studio's WhatsApp number, as Meta last described it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatsappChannel {
    /// Meta's id of the number.
    pub phone_number_id: String,
    /// The WhatsApp Business account that it belongs to.
    pub business_account_id: String,
    /// The number, as members see it.
    pub display_number: String,
    /// The name that Meta verified.
    pub verified_name: String,
}

/// The channel, if the studio has one.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>) -> Result<Option<Checked<WhatsappChannel>>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT phone_number_id, business_account_id, display_number, verified_name, checked_at
         FROM studio.whatsapp_channel WHERE workspace_id = $1",
        tenant.workspace().uuid()
    )
    .fetch_optional(tenant.conn())
    .await?;
    Ok(row.map(|row| Checked {
        value: WhatsappChannel {
            phone_number_id: row.phone_number_id,
            business_account_id: row.business_account_id,
            display_number: row.display_number,
            verified_name: row.verified_name,
        },
        checked_at: row.checked_at,
    }))
}

/// Writes what Meta says now.
///
/// # Errors
/// The database's.
pub async fn upsert(tenant: &mut Tenant<'_>, channel: &WhatsappChannel) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.whatsapp_channel
             (workspace_id, phone_number_id, business_account_id, display_number, verified_name)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (workspace_id) DO UPDATE
         SET phone_number_id = excluded.phone_number_id,
             business_account_id = excluded.business_account_id,
             display_number = excluded.display_number, verified_name = excluded.verified_name,
             checked_at = now()",
        tenant.workspace().uuid(),
        channel.phone_number_id,
        channel.business_account_id,
        channel.display_number,
        channel.verified_name
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

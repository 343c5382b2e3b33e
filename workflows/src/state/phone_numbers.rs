//! `studio.phone_number`: the numbers that were bought for the studio.

use crate::tenancy::Tenant;

/// A number of the studio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneNumber {
    /// Twilio's id of it (`PN…`).
    pub sid: String,
    /// The number, in E.164.
    pub number: String,
    /// Where calls are announced, once that is set.
    pub voice_url: Option<String>,
    /// Where messages are announced, once that is set.
    pub sms_url: Option<String>,
}

/// The number of that id, if the studio has it.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>, sid: &str) -> Result<Option<PhoneNumber>, sqlx::Error> {
    sqlx::query_as!(
        PhoneNumber,
        "SELECT sid, number, voice_url, sms_url
         FROM studio.phone_number WHERE workspace_id = $1 AND sid = $2",
        tenant.workspace().uuid(),
        sid
    )
    .fetch_optional(tenant.conn())
    .await
}

/// All numbers, the oldest first.
///
/// # Errors
/// The database's.
pub async fn list(tenant: &mut Tenant<'_>) -> Result<Vec<PhoneNumber>, sqlx::Error> {
    sqlx::query_as!(
        PhoneNumber,
        "SELECT sid, number, voice_url, sms_url
         FROM studio.phone_number WHERE workspace_id = $1 ORDER BY bought_at, sid",
        tenant.workspace().uuid()
    )
    .fetch_all(tenant.conn())
    .await
}

/// Writes a number as it is now.
///
/// # Errors
/// The database's: among them a number that another workspace has.
pub async fn upsert(tenant: &mut Tenant<'_>, number: &PhoneNumber) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.phone_number (workspace_id, sid, number, voice_url, sms_url)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (workspace_id, sid) DO UPDATE
         SET number = excluded.number, voice_url = excluded.voice_url, sms_url = excluded.sms_url",
        tenant.workspace().uuid(),
        number.sid,
        number.number,
        number.voice_url,
        number.sms_url
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// Forgets all numbers but this one; how many.
///
/// # Errors
/// The database's.
pub async fn forget_others(tenant: &mut Tenant<'_>, sid: &str) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "DELETE FROM studio.phone_number WHERE workspace_id = $1 AND sid <> $2",
        tenant.workspace().uuid(),
        sid
    )
    .execute(tenant.conn())
    .await?;
    Ok(forgotten.rows_affected())
}

//! `studio.profile`: who the studio is.

use crate::tenancy::Tenant;

/// The studio's profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// The studio's name, as its members know it.
    pub name: String,
    /// ISO 3166-1 alpha-2, upper case; decides which numbers and documents it needs.
    pub country: String,
    /// BCP 47, such as `de-DE`.
    pub locale: String,
    /// Where the studio is written to.
    pub contact_email: String,
    /// The address that was registered with Twilio, once it was.
    pub twilio_address_sid: Option<String>,
    /// The approved regulatory bundle, once there is one.
    pub twilio_bundle_sid: Option<String>,
}

/// What the studio says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// See [`Profile::name`].
    pub name: String,
    /// See [`Profile::country`].
    pub country: String,
    /// See [`Profile::locale`].
    pub locale: String,
    /// See [`Profile::contact_email`].
    pub contact_email: String,
}

/// The profile, if the studio has one.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>) -> Result<Option<Profile>, sqlx::Error> {
    sqlx::query_as!(
        Profile,
        "SELECT name, country, locale, contact_email, twilio_address_sid, twilio_bundle_sid
         FROM studio.profile WHERE workspace_id = $1",
        tenant.workspace().uuid()
    )
    .fetch_optional(tenant.conn())
    .await
}

/// Writes what the studio says of itself; what was registered with Twilio stays.
///
/// # Errors
/// The database's: among them a country that is not two capital letters.
pub async fn upsert(tenant: &mut Tenant<'_>, details: &Details) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.profile (workspace_id, name, country, locale, contact_email)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (workspace_id) DO UPDATE
         SET name = excluded.name, country = excluded.country, locale = excluded.locale,
             contact_email = excluded.contact_email",
        tenant.workspace().uuid(),
        details.name,
        details.country,
        details.locale,
        details.contact_email
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// Records what was registered with Twilio; `None` leaves what is there.
///
/// # Errors
/// The database's; [`sqlx::Error::RowNotFound`] where the studio has no profile.
pub async fn set_registration(
    tenant: &mut Tenant<'_>,
    address_sid: Option<&str>,
    bundle_sid: Option<&str>,
) -> Result<(), sqlx::Error> {
    let updated = sqlx::query!(
        "UPDATE studio.profile
         SET twilio_address_sid = coalesce($2, twilio_address_sid),
             twilio_bundle_sid = coalesce($3, twilio_bundle_sid)
         WHERE workspace_id = $1",
        tenant.workspace().uuid(),
        address_sid,
        bundle_sid
    )
    .execute(tenant.conn())
    .await?;
    if updated.rows_affected() == 0 { Err(sqlx::Error::RowNotFound) } else { Ok(()) }
}

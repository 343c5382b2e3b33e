//! `studio.coach_settings`: whether, when and how the coach writes to members.

use chrono::NaiveTime;

use crate::tenancy::Tenant;

/// How the coach works for this studio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoachSettings {
    /// Whether it writes at all.
    pub enabled: bool,
    /// The language it writes in, as BCP 47.
    pub language: String,
    /// How it sounds, in words for the model.
    pub tone: String,
    /// The earliest local time at which it writes.
    pub window_start: NaiveTime,
    /// The local time from which on it no longer writes.
    pub window_end: NaiveTime,
    /// The zone of both, as an IANA name.
    pub time_zone: String,
}

/// The settings, if the studio has any.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>) -> Result<Option<CoachSettings>, sqlx::Error> {
    sqlx::query_as!(
        CoachSettings,
        "SELECT enabled, language, tone, window_start, window_end, time_zone
         FROM studio.coach_settings WHERE workspace_id = $1",
        tenant.workspace().uuid()
    )
    .fetch_optional(tenant.conn())
    .await
}

/// Writes the settings.
///
/// # Errors
/// The database's.
pub async fn upsert(tenant: &mut Tenant<'_>, settings: &CoachSettings) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.coach_settings
             (workspace_id, enabled, language, tone, window_start, window_end, time_zone)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (workspace_id) DO UPDATE
         SET enabled = excluded.enabled, language = excluded.language, tone = excluded.tone,
             window_start = excluded.window_start, window_end = excluded.window_end,
             time_zone = excluded.time_zone, updated_at = now()",
        tenant.workspace().uuid(),
        settings.enabled,
        settings.language,
        settings.tone,
        settings.window_start,
        settings.window_end,
        settings.time_zone
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

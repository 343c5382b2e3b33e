//! `studio.smoke_test`: whether each provider worked for the studio when it was last tried.

use super::Checked;
use crate::tenancy::Tenant;

/// How the last try of a provider ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmokeTest {
    /// The provider that was tried.
    pub provider: String,
    /// Whether it worked.
    pub ok: bool,
    /// One sentence for people: what worked, or what to do.
    pub detail: String,
}

/// The last try of each provider, by its name.
///
/// # Errors
/// The database's.
pub async fn list(tenant: &mut Tenant<'_>) -> Result<Vec<Checked<SmokeTest>>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT provider, ok, detail, checked_at
         FROM studio.smoke_test WHERE workspace_id = $1 ORDER BY provider",
        tenant.workspace().uuid()
    )
    .fetch_all(tenant.conn())
    .await?;
    let tests = rows.into_iter().map(|row| Checked {
        value: SmokeTest { provider: row.provider, ok: row.ok, detail: row.detail },
        checked_at: row.checked_at,
    });
    Ok(tests.collect())
}

/// Records how a try ended just now, in place of the one before.
///
/// # Errors
/// The database's.
pub async fn upsert(tenant: &mut Tenant<'_>, test: &SmokeTest) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.smoke_test (workspace_id, provider, ok, detail)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (workspace_id, provider) DO UPDATE
         SET ok = excluded.ok, detail = excluded.detail, checked_at = now()",
        tenant.workspace().uuid(),
        test.provider,
        test.ok,
        test.detail
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

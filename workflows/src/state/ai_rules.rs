//! `studio.ai_rule`: what the coach is told for this studio, rule by rule.

use crate::tenancy::Tenant;

/// A rule for the coach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AiRule {
    /// Names the rule within the studio.
    pub name: String,
    /// Whether it applies.
    pub enabled: bool,
    /// The instruction to the model.
    pub prompt: String,
    /// Rules apply in ascending order; equal ones by name.
    pub position: i32,
}

/// All rules in the order in which they apply, disabled ones among them.
///
/// # Errors
/// The database's.
pub async fn list(tenant: &mut Tenant<'_>) -> Result<Vec<AiRule>, sqlx::Error> {
    sqlx::query_as!(
        AiRule,
        "SELECT name, enabled, prompt, position
         FROM studio.ai_rule WHERE workspace_id = $1 ORDER BY position, name",
        tenant.workspace().uuid()
    )
    .fetch_all(tenant.conn())
    .await
}

/// Writes a rule.
///
/// # Errors
/// The database's.
pub async fn upsert(tenant: &mut Tenant<'_>, rule: &AiRule) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.ai_rule (workspace_id, name, enabled, prompt, position)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (workspace_id, name) DO UPDATE
         SET enabled = excluded.enabled, prompt = excluded.prompt, position = excluded.position",
        tenant.workspace().uuid(),
        rule.name,
        rule.enabled,
        rule.prompt,
        rule.position
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// Removes a rule, and says whether there was one.
///
/// # Errors
/// The database's.
pub async fn remove(tenant: &mut Tenant<'_>, name: &str) -> Result<bool, sqlx::Error> {
    let deleted = sqlx::query!(
        "DELETE FROM studio.ai_rule WHERE workspace_id = $1 AND name = $2",
        tenant.workspace().uuid(),
        name
    )
    .execute(tenant.conn())
    .await?;
    Ok(deleted.rows_affected() > 0)
}

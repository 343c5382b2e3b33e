//! `studio.contact`: the members that the studio writes to, and whether it may.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::tenancy::Tenant;

/// Somebody on WhatsApp: by number, by WhatsApp's own id of the person, or by both.
///
/// Who has a user name may show no number, and a new number makes a new id; so neither is what a contact is known by here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Person<'a> {
    /// The number as WhatsApp writes it: digits only.
    pub wa_id: Option<&'a str>,
    /// WhatsApp's own id of the person.
    pub user_id: Option<&'a str>,
}

impl Person<'_> {
    /// Whether nothing at all is known of the person.
    #[must_use]
    pub const fn is_nobody(&self) -> bool {
        self.wa_id.is_none() && self.user_id.is_none()
    }
}

/// A contact as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Its id here.
    pub id: Uuid,
    /// See [`Person::wa_id`].
    pub wa_id: Option<String>,
    /// See [`Person::user_id`].
    pub user_id: Option<String>,
    /// When the member wrote last: for a day from then, anything may be answered.
    pub last_inbound_at: Option<DateTime<Utc>>,
    /// Since when the member wants nothing any more.
    pub opted_out_at: Option<DateTime<Utc>>,
}

/// The contact, if there is one.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>, id: Uuid) -> Result<Option<Contact>, sqlx::Error> {
    sqlx::query_as!(
        Contact,
        "SELECT id, wa_id, user_id, last_inbound_at, opted_out_at FROM studio.contact WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        id
    )
    .fetch_optional(tenant.conn())
    .await
}

/// The contact of this person, made where there is none; what was not known of it before is added.
///
/// Where number and id stand at two contacts, the number decides.
///
/// # Errors
/// The database's.
pub async fn ensure(
    tenant: &mut Tenant<'_>,
    id: Uuid,
    person: Person<'_>,
) -> Result<Contact, sqlx::Error> {
    let workspace = tenant.workspace().uuid();
    // Two at once for one person: the second waits here and finds what the first made.
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::uuid::text || coalesce($2, $3), 0))",
        workspace,
        person.wa_id,
        person.user_id
    )
    .execute(tenant.conn())
    .await?;
    sqlx::query_as!(
        Contact,
        r#"WITH known AS (
             SELECT id FROM studio.contact
             WHERE workspace_id = $1 AND (wa_id = $3 OR user_id = $4) ORDER BY wa_id IS NOT DISTINCT FROM $3 DESC LIMIT 1
           ), added AS (
             UPDATE studio.contact c
             SET wa_id = coalesce(c.wa_id, $3),
                 user_id = CASE WHEN EXISTS (SELECT FROM studio.contact o WHERE o.workspace_id = $1 AND o.user_id = $4 AND o.id <> c.id)
                           THEN c.user_id ELSE coalesce($4, c.user_id) END
             FROM known WHERE c.workspace_id = $1 AND c.id = known.id
             RETURNING c.id, c.wa_id, c.user_id, c.last_inbound_at, c.opted_out_at
           ), made AS (
             INSERT INTO studio.contact (workspace_id, id, wa_id, user_id)
             SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM known)
             RETURNING id, wa_id, user_id, last_inbound_at, opted_out_at
           )
           SELECT id AS "id!", wa_id, user_id, last_inbound_at, opted_out_at FROM added
           UNION ALL SELECT id, wa_id, user_id, last_inbound_at, opted_out_at FROM made"#,
        workspace,
        id,
        person.wa_id,
        person.user_id
    )
    .fetch_one(tenant.conn())
    .await
}

/// The member wrote at this time; told in any order, the latest counts.
///
/// # Errors
/// The database's.
pub async fn wrote(
    tenant: &mut Tenant<'_>,
    contact: Uuid,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.contact SET last_inbound_at = greatest(last_inbound_at, $3) WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        contact,
        at
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// The member wants nothing any more, since this time; told in any order, the earliest counts.
///
/// # Errors
/// The database's.
pub async fn opted_out(
    tenant: &mut Tenant<'_>,
    contact: Uuid,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.contact SET opted_out_at = least(opted_out_at, $3) WHERE workspace_id = $1 AND id = $2",
        tenant.workspace().uuid(),
        contact,
        at
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

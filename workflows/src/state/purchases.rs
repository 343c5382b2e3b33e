//! `studio.purchase`: what is bought for the studio, written down before the call.
//!
//! It is for whoever sells without idempotency keys, and may take longer than we listen: whether something was bought is found out by
//! looking for it, and a look that finds nothing proves nothing as long as somebody may be at it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::tenancy::Tenant;

/// What a studio has one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goods {
    /// Its Twilio account.
    TwilioAccount,
    /// Its telephone number.
    PhoneNumber,
}

impl Goods {
    /// The stable name, as it stands in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TwilioAccount => "twilio_account",
            Self::PhoneNumber => "phone_number",
        }
    }
}

/// Whether something may be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It may; that is written down under this time.
    At(DateTime<Utc>),
    /// Somebody may still be at it; after so long it is to be looked for again.
    UnderWay(Duration),
}

/// Writes down that something is about to be bought that was looked for at that time and not found.
///
/// Not where an earlier purchase may have taken place after that look: one may be under way for `settle`, or not be in the seller's lists yet.
/// Of two who come at once one may.
///
/// # Errors
/// The database's.
pub async fn begin(
    tenant: &mut Tenant<'_>,
    goods: Goods,
    looked_at: DateTime<Utc>,
    now: DateTime<Utc>,
    settle: Duration,
) -> Result<Begun, sqlx::Error> {
    let begun = sqlx::query_scalar!(
        "INSERT INTO studio.purchase (workspace_id, goods, begun_at) VALUES ($1, $2, $5)
         ON CONFLICT (workspace_id, goods) DO UPDATE SET begun_at = excluded.begun_at
         WHERE purchase.begun_at + make_interval(secs => $4) <= $3
         RETURNING begun_at",
        tenant.workspace().uuid(),
        goods.name(),
        looked_at,
        settle.as_secs_f64(),
        now
    )
    .fetch_optional(tenant.conn())
    .await?;
    if let Some(at) = begun {
        return Ok(Begun::At(at));
    }
    let left = sqlx::query_scalar!(
        r#"SELECT greatest(extract(epoch FROM begun_at + make_interval(secs => $3) - $4), 0)::float8 AS "left!"
           FROM studio.purchase WHERE workspace_id = $1 AND goods = $2"#,
        tenant.workspace().uuid(),
        goods.name(),
        settle.as_secs_f64(),
        now
    )
    .fetch_optional(tenant.conn())
    .await?;
    Ok(Begun::UnderWay(left.map_or(Duration::ZERO, Duration::from_secs_f64)))
}

/// Writes down that nobody knows how a purchase ended: from now on it may be under way for as long as it might have been at first.
///
/// # Errors
/// The database's.
pub async fn prolong(
    tenant: &mut Tenant<'_>,
    goods: Goods,
    begun_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE studio.purchase SET begun_at = $4
         WHERE workspace_id = $1 AND goods = $2 AND begun_at = $3",
        tenant.workspace().uuid(),
        goods.name(),
        begun_at,
        now
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

/// Takes back a purchase that certainly did not take place.
///
/// # Errors
/// The database's.
pub async fn withdraw(
    tenant: &mut Tenant<'_>,
    goods: Goods,
    begun_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM studio.purchase WHERE workspace_id = $1 AND goods = $2 AND begun_at = $3",
        tenant.workspace().uuid(),
        goods.name(),
        begun_at
    )
    .execute(tenant.conn())
    .await?;
    Ok(())
}

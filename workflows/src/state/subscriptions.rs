//! `studio.subscription`: what Stripe last said of the studio's subscription.

use chrono::{DateTime, Utc};

use super::Checked;
use crate::tenancy::Tenant;

/// The studio's subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Who pays.
    pub stripe_customer_id: String,
    /// The subscription.
    pub stripe_subscription_id: String,
    /// Stripe's word for its state, such as `active` or `past_due`.
    pub status: String,
    /// What is paid for.
    pub price_id: String,
    /// Until when it is paid, where Stripe names it.
    pub current_period_end: Option<DateTime<Utc>>,
}

/// The subscription, if Stripe was ever asked.
///
/// # Errors
/// The database's.
pub async fn get(tenant: &mut Tenant<'_>) -> Result<Option<Checked<Subscription>>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT stripe_customer_id, stripe_subscription_id, status, price_id, current_period_end, checked_at
         FROM studio.subscription WHERE workspace_id = $1",
        tenant.workspace().uuid()
    )
    .fetch_optional(tenant.conn())
    .await?;
    Ok(row.map(|row| Checked {
        value: Subscription {
            stripe_customer_id: row.stripe_customer_id,
            stripe_subscription_id: row.stripe_subscription_id,
            status: row.status,
            price_id: row.price_id,
            current_period_end: row.current_period_end,
        },
        checked_at: row.checked_at,
    }))
}

/// Writes what Stripe said when it was asked at that time, unless what is written was asked for later: a slow answer must not take a newer one's place.
/// Whether it was written.
///
/// # Errors
/// The database's.
pub async fn upsert(
    tenant: &mut Tenant<'_>,
    subscription: &Subscription,
    asked_at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!(
        "INSERT INTO studio.subscription
             (workspace_id, stripe_customer_id, stripe_subscription_id, status, price_id, current_period_end, checked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (workspace_id) DO UPDATE
         SET stripe_customer_id = excluded.stripe_customer_id,
             stripe_subscription_id = excluded.stripe_subscription_id, status = excluded.status,
             price_id = excluded.price_id, current_period_end = excluded.current_period_end,
             checked_at = excluded.checked_at
         WHERE subscription.checked_at <= excluded.checked_at",
        tenant.workspace().uuid(),
        subscription.stripe_customer_id,
        subscription.stripe_subscription_id,
        subscription.status,
        subscription.price_id,
        subscription.current_period_end,
        asked_at
    )
    .execute(tenant.conn())
    .await?;
    Ok(written.rows_affected() == 1)
}

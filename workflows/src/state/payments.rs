//! `studio.payment`: what Stripe said last of each payment, refund and dispute of the studio.
//!
//! Events come twice and in any order. Of two about the same thing the one that happened later counts, and of two in one second the one
//! of the higher rank: in whatever order they come, the same is left.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::tenancy::Tenant;

/// What an amount is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Kind {
    /// A period of the subscription.
    Invoice,
    /// Something bought beside it.
    TopUp,
    /// What was paid back of a charge.
    Refund,
    /// What a payer wants back.
    Dispute,
}

/// What Stripe said at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Payment {
    /// Stripe's id of it (`in_…`, `pi_…`, `ch_…`, `dp_…`).
    pub object_id: String,
    /// What it is.
    pub kind: Kind,
    /// Stripe's word for how it stands, or ours where Stripe has none.
    pub status: String,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// As Stripe writes it: `eur`.
    pub currency: String,
    /// When Stripe said so.
    pub version: DateTime<Utc>,
    /// Which of two things said in one second came later.
    #[serde(skip)]
    pub rank: i16,
}

/// Writes what was said, unless something later is known; whether it was written.
///
/// # Errors
/// The database's.
pub async fn put(tenant: &mut Tenant<'_>, payment: &Payment) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!(
        "INSERT INTO studio.payment AS known (workspace_id, object_id, kind, status, amount, currency, version, rank)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (workspace_id, object_id, kind) DO UPDATE
         SET status = excluded.status, amount = excluded.amount, currency = excluded.currency, version = excluded.version,
             rank = excluded.rank
         WHERE (excluded.version, excluded.rank) > (known.version, known.rank)",
        tenant.workspace().uuid(),
        payment.object_id,
        payment.kind as Kind,
        payment.status,
        payment.amount,
        payment.currency,
        payment.version,
        payment.rank
    )
    .execute(tenant.conn())
    .await?;
    Ok(written.rows_affected() == 1)
}

/// All of them, the newest first.
///
/// # Errors
/// The database's.
pub async fn list(tenant: &mut Tenant<'_>) -> Result<Vec<Payment>, sqlx::Error> {
    sqlx::query_as!(
        Payment,
        r#"SELECT object_id, kind AS "kind: Kind", status, amount, currency, version, rank
           FROM studio.payment WHERE workspace_id = $1 ORDER BY version DESC, object_id, kind"#,
        tenant.workspace().uuid()
    )
    .fetch_all(tenant.conn())
    .await
}

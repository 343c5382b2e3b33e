//! `studio.inbox_gap`: up to when it is known that nothing is missing of what a provider can be asked for.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::provider::Provider;

/// What was asked of one account of a provider, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// Who was asked.
    pub provider: Provider,
    /// Of which account; empty where there is one only.
    pub account: String,
    /// Everything until then is in the inbox.
    pub whole_until: DateTime<Utc>,
    /// When it was asked last.
    pub asked_at: DateTime<Utc>,
    /// Events that had not been delivered, over all times.
    pub found: i64,
    /// Those of the last time.
    pub found_last: i32,
}

/// The time for which to ask: from the point until which everything is there, and an hour before, until now.
///
/// At first it is the first event that was ever received, and in an inbox that has none, now. Never further back than the inbox itself
/// remembers what was handled, or what is known would come in anew; Stripe's own memory is a day longer.
///
/// # Errors
/// The database's.
pub async fn since(
    conn: &mut PgConnection,
    provider: Provider,
    account: &str,
) -> Result<(DateTime<Utc>, DateTime<Utc>), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT greatest(coalesce(
               (SELECT whole_until FROM studio.inbox_gap WHERE provider = $1 AND account = $2),
               (SELECT min(received_at) FROM studio.inbox WHERE provider = $1),
               now()
           ) - interval '1 hour', now() - interval '29 days') AS "since!", now() AS "until!""#,
        provider as Provider,
        account
    )
    .fetch_one(conn)
    .await?;
    Ok((row.since, row.until))
}

/// Everything until `whole_until` is in the inbox now; so many events had been missing.
///
/// # Errors
/// The database's.
pub async fn closed(
    conn: &mut PgConnection,
    provider: Provider,
    account: &str,
    whole_until: DateTime<Utc>,
    found: i32,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO studio.inbox_gap AS known (provider, account, whole_until, found, found_last) VALUES ($1, $2, $3, $4::integer, $4)
         ON CONFLICT (provider, account) DO UPDATE
         SET whole_until = greatest(known.whole_until, excluded.whole_until), asked_at = now(),
             found = known.found + excluded.found, found_last = excluded.found_last",
        provider as Provider,
        account,
        whole_until,
        found
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// All that was asked.
///
/// # Errors
/// The database's.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Asked>, sqlx::Error> {
    sqlx::query_as!(
        Asked,
        r#"SELECT provider AS "provider: Provider", account, whole_until, asked_at, found, found_last
           FROM studio.inbox_gap ORDER BY provider, account"#
    )
    .fetch_all(conn)
    .await
}

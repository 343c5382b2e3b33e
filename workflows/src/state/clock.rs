//! The time.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

/// The time by which everything is judged, which tests can move.
///
/// # Errors
/// The database's.
pub async fn now(conn: &mut PgConnection) -> Result<DateTime<Utc>, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT engine.now() AS "now!""#).fetch_one(conn).await
}

/// The same, for who holds no connection.
///
/// # Errors
/// The database's.
pub async fn now_of(pool: &PgPool) -> Result<DateTime<Utc>, sqlx::Error> {
    now(&mut *pool.acquire().await?).await
}

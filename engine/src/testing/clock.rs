//! A database clock that a test can freeze and move.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// The two functions of rule L5, reading one row that says what time it is.
const INSTALL: &str = "
CREATE TABLE engine.test_clock (frozen_at timestamptz, ahead interval NOT NULL DEFAULT '0');
INSERT INTO engine.test_clock DEFAULT VALUES;
CREATE OR REPLACE FUNCTION engine.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT coalesce(frozen_at, statement_timestamp()) + ahead FROM engine.test_clock $$;
CREATE OR REPLACE FUNCTION engine.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT coalesce(frozen_at, clock_timestamp()) + ahead FROM engine.test_clock $$;
";

/// The clock of one test's database (L5): it decides leases and due times there, and nothing else moves it.
///
/// It runs on until it is frozen; it may go forwards only, as in production.
#[derive(Debug, Clone)]
pub struct Clock {
    pool: PgPool,
}

impl Clock {
    /// Replaces the engine's two clock functions in this database.
    ///
    /// # Errors
    /// When the database refuses, for example because the clock was installed before.
    pub async fn install(pool: &PgPool) -> Result<Self, sqlx::Error> {
        sqlx::raw_sql(INSTALL).execute(pool).await?;
        Ok(Self { pool: pool.clone() })
    }

    /// What time it is.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn now(&self) -> Result<DateTime<Utc>, sqlx::Error> {
        sqlx::query_scalar("SELECT engine.now()").fetch_one(&self.pool).await
    }

    /// Stops at the present instant; [`advance`](Self::advance) still moves it.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn freeze(&self) -> Result<(), sqlx::Error> {
        let freeze =
            "UPDATE engine.test_clock SET frozen_at = coalesce(frozen_at, clock_timestamp())";
        sqlx::query(freeze).execute(&self.pool).await.map(drop)
    }

    /// Moves it forwards, leases and all: processes that do not beat meanwhile look dead.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn advance(&self, time: Duration) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE engine.test_clock SET ahead = ahead + make_interval(secs => $1)")
            .bind(time.as_secs_f64())
            .execute(&self.pool)
            .await
            .map(drop)
    }

    /// Moves it forwards as if every live process had gone on beating: only due times see the difference.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn advance_alive(&self, time: Duration) -> Result<(), sqlx::Error> {
        // One statement, so that no rescue sees the new time without the new heartbeats.
        sqlx::query(
            "WITH beat AS (UPDATE engine.worker SET seen = seen + make_interval(secs => $1))
             UPDATE engine.test_clock SET ahead = ahead + make_interval(secs => $1)",
        )
        .bind(time.as_secs_f64())
        .execute(&self.pool)
        .await
        .map(drop)
    }
}

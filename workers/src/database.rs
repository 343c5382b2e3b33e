//! The way to the database: reached first, checked second, used last.

use std::str::FromStr as _;
use std::time::Duration;

use autopilot_engine::pooler;
use autopilot_engine::schema::{self, Fit};
use secrecy::ExposeSecret as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgPool};

use crate::config::{Database, Pooler};
use crate::exit::Exit;
use crate::fail::Fail;

/// Both schemas, in the order in which they are migrated.
pub(crate) static MIGRATORS: [(&str, &Migrator); 2] =
    [("engine", &autopilot_engine::MIGRATOR), ("studio", &autopilot_workflows::MIGRATOR)];

/// The longest that a session may sit inside a transaction and do nothing, which would keep vacuum from cleaning
/// and rows locked. No code of ours waits inside one.
const IDLE_IN_TRANSACTION: &str = "10s";

/// What poolers say of a session's settings.
const POOLERS_REFUSAL: &str = "unsupported startup parameter";

/// What a pool is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To work.
    Work,
    /// To look only: the server itself refuses every write.
    Look,
}

/// A pool whose database has been reached once. Its schema has not been looked at.
///
/// # Errors
/// [`Exit::Unreachable`] when it does not answer in time, [`Exit::Usage`] when the address is none.
pub(crate) async fn reach(config: &Database, purpose: Purpose) -> Result<PgPool, Fail> {
    let options = options(config, purpose)?;
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let options = match config.pooler {
        Pooler::None => options,
        Pooler::Transaction => {
            pooler::through(options).map_err(|error| Fail::usage(error.to_string()))?
        }
    };
    let unreachable = |why: String| {
        let advice = if why.contains(POOLERS_REFUSAL) {
            "this is a pooler: set AUTOPILOT__DATABASE__POOLER=transaction"
        } else {
            "check DATABASE_URL, and whether the server runs"
        };
        Fail::new(
            Exit::Unreachable,
            format!("the database at {place} cannot be reached: {why}; {advice}"),
        )
    };
    // Not through the pool: that would wait for a server that refuses and then only say that it waited.
    match tokio::time::timeout(config.acquire_timeout, options.connect()).await {
        Ok(Ok(connection)) => connection.close().await?,
        Ok(Err(error)) => return Err(unreachable(error.to_string())),
        Err(_elapsed) => {
            return Err(unreachable(format!("no answer in {:?}", config.acquire_timeout)));
        }
    }
    Ok(pool(config, options))
}

/// A pool on a database whose schema fits this program.
///
/// # Errors
/// Those of [`reach`], and [`Exit::Schema`] when the schema is too old or too new.
pub(crate) async fn open(config: &Database) -> Result<PgPool, Fail> {
    let pool = reach(config, Purpose::Work).await?;
    check(&pool).await?;
    Ok(pool)
}

/// Compares both schemas with this program. Reads only.
///
/// # Errors
/// [`Exit::Schema`] with what to do, [`Exit::Unreachable`] when the database does not answer.
pub(crate) async fn check(pool: &PgPool) -> Result<(), Fail> {
    for (name, migrator) in MIGRATORS {
        match schema::check(pool, migrator).await? {
            Fit::Current => {}
            Fit::NewerButCompatible { unknown } => {
                tracing::info!(schema = name, ?unknown, "the database is newer, and compatible");
            }
        }
    }
    Ok(())
}

fn pool(config: &Database, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(config.max_connections.get())
        .acquire_timeout(config.acquire_timeout)
        .idle_timeout(Duration::from_secs(300))
        .connect_lazy_with(options)
}

fn options(config: &Database, purpose: Purpose) -> Result<PgConnectOptions, Fail> {
    let Some(url) = &config.url else {
        return Err(Fail::usage(
            "DATABASE_URL is not set: write postgres://user:password@host:port/name",
        ));
    };
    let options = PgConnectOptions::from_str(url.expose_secret()).map_err(|error| {
        Fail::usage(format!(
            "DATABASE_URL is not the address of a database: {error}; write postgres://user:password@host:port/name"
        ))
    })?;
    // With the process's number, so that pg_stat_activity tells the processes of a fleet apart.
    let name = format!("autopilot/{}", std::process::id());
    let options =
        options.application_name(&name).statement_cache_capacity(config.statement_cache.get());
    let options = match (purpose, config.pooler) {
        (Purpose::Work, _) => options,
        (Purpose::Look, Pooler::None) => options.options([("default_transaction_read_only", "on")]),
        // Said at the beginning of each transaction, the default would be too late for it.
        (Purpose::Look, Pooler::Transaction) => options.options([("transaction_read_only", "on")]),
    };
    Ok(options.options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION)]))
}

#[cfg(test)]
mod tests;

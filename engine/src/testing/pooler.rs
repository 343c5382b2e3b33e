//! A pooler before the tests' server, through which worlds reach it where one is named.

use std::str::FromStr;
use std::sync::OnceLock;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Row};

use crate::pooler;

/// The address of a PgBouncer in transaction mode before the server of the other variable.
const VARIABLE: &str = "AUTOPILOT_TEST_POOLER_URL";

/// The pooler's address, if one is named.
///
/// # Panics
/// When it is none.
pub(super) fn address() -> Option<PgConnectOptions> {
    let url = std::env::var(VARIABLE).ok()?;
    Some(PgConnectOptions::from_str(&url).expect("the pooler's address is one"))
}

/// The way through it.
pub(super) fn way() -> Option<PgConnectOptions> {
    static WAY: OnceLock<Option<PgConnectOptions>> = OnceLock::new();
    WAY.get_or_init(|| Some(pooler::through(address()?).expect("the translator starts"))).clone()
}

/// How many heartbeats have a connection to the pooler for this database. What the server says is no answer: there a
/// connection bears the name of whoever had it last.
pub(super) async fn hearts(way: &PgConnectOptions, database: &str) -> i64 {
    let mut console = way.clone().database("pgbouncer").connect().await.unwrap();
    let clients = sqlx::raw_sql("SHOW CLIENTS").fetch_all(&mut console).await.unwrap();
    let beats = clients.iter().filter(|client| {
        client.get_unchecked::<&str, _>("database") == database
            && client.get_unchecked::<&str, _>("application_name").ends_with("heartbeat")
    });
    i64::try_from(beats.count()).unwrap_or(i64::MAX)
}

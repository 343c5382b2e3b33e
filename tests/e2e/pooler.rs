//! The translator for poolers in transaction mode: before the server itself, and before a pooler. The rest of the suite goes
//! through both in `make pgbouncer`.

use std::str::FromStr;

use autopilot_engine::{pooler, testing::TestDatabase};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};

async fn one(conn: &mut PgConnection, sql: &'static str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(sql).bind(1).fetch_one(conn).await
}

#[tokio::test]
async fn each_transaction_has_the_sessions_settings_and_the_server_keeps_no_statement() {
    const SAYS: &str = "SELECT current_setting('lock_timeout') || repeat('!', $1)";
    const KEPT: &str = "SELECT repeat('!', count(*)::int * $1) FROM pg_prepared_statements";
    let database = TestDatabase::create(&[]).await;
    let options = PgConnectOptions::from_str(&database.url()).unwrap();
    let through = pooler::through(options).unwrap().options([("lock_timeout", "123ms")]);
    let mut conn = through.connect().await.unwrap();
    for _ in 0..2 {
        assert_eq!(one(&mut conn, SAYS).await.unwrap(), "123ms!");
        let mut tx = conn.begin().await.unwrap();
        assert_eq!(one(&mut tx, SAYS).await.unwrap(), "123ms!");
        // What the transaction itself says counts from then on.
        sqlx::raw_sql("SET LOCAL lock_timeout = '7ms'").execute(&mut *tx).await.unwrap();
        assert_eq!(one(&mut tx, SAYS).await.unwrap(), "7ms!");
        tx.commit().await.unwrap();
    }
    let error = one(&mut conn, "SELECT nothing + $1").await.unwrap_err();
    assert!(error.to_string().contains("nothing"), "{error}");
    assert_eq!(one(&mut conn, SAYS).await.unwrap(), "123ms!", "after an error");
    assert_eq!(one(&mut conn, KEPT).await.unwrap(), "");
    sqlx::query("VACUUM pg_class").execute(&mut conn).await.unwrap();
    conn.close().await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn a_pooler_that_cannot_be_reached_is_named() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let options = PgConnectOptions::from_str(&format!("postgres://a@{free}/b")).unwrap();
    let error = pooler::through(options).unwrap().connect().await.unwrap_err();
    assert!(error.to_string().contains(&free.to_string()), "{error}");
}

/// What goes wrong when several connections prepare and run statements, each in a transaction of its own.
async fn trouble(options: PgConnectOptions) -> Option<String> {
    let pool = PgPoolOptions::new().min_connections(5).max_connections(5);
    let pool = pool.connect_with(options).await.unwrap();
    let mut runs = tokio::task::JoinSet::new();
    for caller in 0..50 {
        let pool = pool.clone();
        runs.spawn(async move {
            let sql = if caller % 2 == 0 { "SELECT 'even' || $1" } else { "SELECT 'odd' || $1" };
            let said: Result<String, _> = sqlx::query_scalar(sql).bind("!").fetch_one(&pool).await;
            said.map_or_else(
                |error| Some(error.to_string()),
                |said| (said != if caller % 2 == 0 { "even!" } else { "odd!" }).then_some(said),
            )
        });
    }
    runs.join_all().await.into_iter().flatten().next()
}

#[tokio::test]
#[ignore = "needs a pooler before the server: make pgbouncer"]
async fn only_with_the_translator_are_statements_run_through_a_pooler() {
    let url = std::env::var("AUTOPILOT_TEST_POOLER_URL").unwrap();
    let pooler = PgConnectOptions::from_str(&url).unwrap().extra_float_digits(None);
    for statement_cache in [100, 0] {
        let plain = pooler.clone().statement_cache_capacity(statement_cache);
        let told = trouble(plain).await.unwrap();
        assert!(told.contains("prepared statement"), "cache of {statement_cache}: {told}");
    }
    assert_eq!(trouble(pooler::through(pooler).unwrap()).await, None);
}

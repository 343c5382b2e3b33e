//! What stands between a process and a database that it must not touch.

use autopilot_engine::testing::TestDatabase;
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::*;
use crate::config::Config;

fn config(url: &str) -> Database {
    through("none", url)
}

fn through(pooler: &str, url: &str) -> Database {
    let settings = [
        ("DATABASE_URL", url),
        ("AUTOPILOT__DATABASE__ACQUIRE_TIMEOUT", "5s"),
        ("AUTOPILOT__DATABASE__POOLER", pooler),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::load(None, settings.into_iter(), &autopilot_workflows::app::registry())
        .accept()
        .unwrap()
        .database
}

#[tokio::test]
async fn a_database_that_was_never_migrated_is_too_old_and_the_way_out_is_named() {
    let database = TestDatabase::create(&[]).await;
    let fail = open(&config(&database.url())).await.unwrap_err();
    assert_eq!(fail.exit(), Exit::Schema);
    assert!(fail.to_string().contains("autopilot migrate"), "{fail}");
    database.close().await;
}

#[tokio::test]
async fn a_database_with_only_the_engines_schema_is_too_old() {
    let database = TestDatabase::create(&[&autopilot_engine::MIGRATOR]).await;
    let fail = open(&config(&database.url())).await.unwrap_err();
    assert_eq!(fail.exit(), Exit::Schema);
    assert!(fail.to_string().contains("studio._migrations"), "{fail}");
    database.close().await;
}

#[tokio::test]
async fn a_newer_database_is_refused_only_where_it_breaks_this_version() {
    let migrators = [MIGRATORS[0].1, MIGRATORS[1].1];
    let database = TestDatabase::create(&migrators).await;
    for (version, name, fits) in
        [(99_990_101_000_000, "adds a view", true), (99_990_102_000_000, "breaking tokens", false)]
    {
        let migration = Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            "SELECT 1".into_sql_str(),
            false,
        );
        let mut newer = Migrator::with_migrations(vec![migration]);
        newer.dangerous_set_table_name("studio._migrations");
        newer.set_ignore_missing(true);
        newer.run(database.pool()).await.unwrap();
        match open(&config(&database.url())).await {
            Ok(pool) => {
                assert!(fits, "{name}");
                pool.close().await;
            }
            Err(fail) => {
                assert!(!fits, "{fail}");
                assert_eq!(fail.exit(), Exit::Schema);
            }
        }
    }
    database.close().await;
}

#[tokio::test]
async fn a_database_that_is_away_is_told_at_once_with_its_place_and_without_its_password() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("postgres://someone:s3cret@{free}/nothing");
    let fail = open(&config(&url)).await.unwrap_err();
    assert_eq!(fail.exit(), Exit::Unreachable);
    let told = fail.to_string();
    assert!(told.contains(&free.to_string()) && told.contains("DATABASE_URL"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

#[tokio::test]
async fn who_only_looks_cannot_write_through_a_pooler_either() {
    let migrators = [MIGRATORS[0].1, MIGRATORS[1].1];
    let database = TestDatabase::create(&migrators).await;
    for pooler in ["none", "transaction"] {
        let config = through(pooler, &database.url());
        let pool = reach(&config, Purpose::Look).await.unwrap();
        let workspace = autopilot_engine::WorkspaceId::now_v7();
        let mut conn = pool.acquire().await.unwrap();
        let refused = crate::studio::register(&mut conn, workspace).await.unwrap_err();
        let autopilot_engine::EnqueueError::Database(refused) = refused else {
            panic!("{refused}");
        };
        assert_eq!(
            refused.as_database_error().unwrap().code().as_deref(),
            Some("25006"),
            "{pooler}"
        );
        drop(conn);
        pool.close().await;
    }
    database.close().await;
}

#[tokio::test]
async fn a_pooler_over_tls_is_refused_and_the_way_out_is_named() {
    let config = through("transaction", "postgres://a:b@pooler.example/c?sslmode=verify-full");
    let fail = reach(&config, Purpose::Work).await.unwrap_err();
    assert_eq!(fail.exit(), Exit::Usage);
    assert!(fail.to_string().contains("sslmode=disable"), "{fail}");
}

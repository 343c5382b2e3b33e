//! No studio reaches another's rows: proved for every table that the catalogue lists.

use autopilot_engine::WorkspaceId;
use autopilot_engine::testing::TestDatabase;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgConnection, PgPool};

use super::verify::verify_on;
use super::{Tenant, verify};
use crate::MIGRATOR;
use crate::state::workspaces;

/// The tables that span the workspaces. Every other table of the schema is a tenant's.
const PLATFORM: [&str; 9] = [
    "_migrations",
    "check_sweep",
    "health",
    "inbox",
    "inbox_gap",
    "repair",
    "route",
    "workspace",
    "workspace_tally",
];

async fn run(conn: &mut PgConnection, sql: &str) -> Result<u64, sqlx::Error> {
    Ok(sqlx::query(AssertSqlSafe(sql)).execute(conn).await?.rows_affected())
}

async fn count(conn: &mut PgConnection, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM studio.{table}");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(conn).await.expect("a count")
}

fn is_denied(result: Result<u64, sqlx::Error>) -> bool {
    let error = result.expect_err("a refusal");
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("42501")
}

async fn tables(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'studio'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
         ORDER BY (SELECT count(*) FROM pg_constraint WHERE conrelid = pg_class.oid AND contype = 'f'), relname",
    )
    .fetch_all(pool)
    .await
    .expect("the catalogue")
}

async fn tenant_tables(pool: &PgPool) -> Vec<String> {
    let mut tables = tables(pool).await;
    tables.retain(|table| !PLATFORM.contains(&table.as_str()));
    tables
}

/// A statement that inserts a row of the workspace, with a value for each column that needs one.
async fn insert(pool: &PgPool, table: &str, workspace: WorkspaceId) -> String {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute
         WHERE attrelid = ('studio.' || $1)::regclass AND attnum > 0 AND (attnotnull AND NOT atthasdef OR attname = 'wa_id')",
    )
    .bind(table)
    .fetch_all(pool)
    .await
    .expect("the columns");
    let values: Vec<String> = columns
        .iter()
        .map(|(column, kind)| match (column.as_str(), kind.as_str()) {
            ("workspace_id", _) => format!("'{workspace}'"),
            // Its rows refer to each other by the ids that they are given here.
            (_, "uuid") => format!("'{workspace}'"),
            ("tls", _) => "'none'".to_owned(),
            ("kind", _) => "'invoice'".to_owned(),
            ("goods", _) => "'phone_number'".to_owned(),
            (_, "text") => format!("'{}'", WorkspaceId::now_v7()),
            (_, "bytea") => r"'\x00'".to_owned(),
            (_, "smallint" | "integer" | "bigint") => "1".to_owned(),
            (_, "jsonb") => "'{}'".to_owned(),
            (_, "timestamp with time zone") => "now()".to_owned(),
            (_, "boolean") => "true".to_owned(),
            (_, "time without time zone") => "'09:00'".to_owned(),
            other => panic!("{table} needs a value for {other:?}: add one here"),
        })
        .collect();
    let columns: Vec<_> = columns.into_iter().map(|(column, _)| column).collect();
    format!("INSERT INTO studio.{table} ({}) VALUES ({})", columns.join(","), values.join(","))
}

/// A database with two workspaces, each with one row in every tenant table.
async fn two_workspaces() -> (TestDatabase, [WorkspaceId; 2]) {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let workspaces = [WorkspaceId::now_v7(), WorkspaceId::now_v7()];
    let mut conn = db.pool().acquire().await.expect("a connection");
    for workspace in workspaces {
        workspaces::ensure(&mut conn, workspace).await.expect("the workspace");
        for table in tenant_tables(db.pool()).await {
            let insert = insert(db.pool(), &table, workspace).await;
            run(&mut conn, &insert).await.unwrap_or_else(|error| panic!("{insert}: {error}"));
        }
    }
    drop(conn);
    (db, workspaces)
}

#[tokio::test]
async fn every_tenant_table_shows_and_takes_rows_of_its_own_workspace_only() {
    let (db, [ours, theirs]) = two_workspaces().await;
    let tables = tenant_tables(db.pool()).await;
    assert_eq!(tables.len(), 16, "{tables:?}");

    for table in tables {
        // The other's rows are invisible, so they can be neither changed nor deleted.
        let mut tenant = Tenant::begin(db.pool(), ours).await.expect("entered");
        assert_eq!(count(tenant.conn(), &table).await, 1, "{table}");
        for change in [
            format!(
                "UPDATE studio.{table} SET workspace_id = workspace_id WHERE workspace_id = '{theirs}'"
            ),
            format!("DELETE FROM studio.{table} WHERE workspace_id = '{theirs}'"),
        ] {
            assert_eq!(run(tenant.conn(), &change).await.expect("nothing to do"), 0, "{change}");
        }
        let delete = format!("DELETE FROM studio.{table}");
        assert_eq!(run(tenant.conn(), &delete).await.expect("our row"), 1, "{table}");
        drop(tenant);

        // Nor can a row be made or moved there.
        let insert = insert(db.pool(), &table, theirs).await;
        let give = format!("UPDATE studio.{table} SET workspace_id = '{theirs}'");
        for change in [insert, give, format!("TRUNCATE studio.{table}")] {
            let mut tenant = Tenant::begin(db.pool(), ours).await.expect("entered");
            assert!(is_denied(run(tenant.conn(), &change).await), "{change}");
        }

        let mut conn = db.pool().acquire().await.expect("a connection");
        assert_eq!(count(&mut conn, &table).await, 2, "{table}: nothing of this was committed");
    }
    db.close().await;
}

#[tokio::test]
async fn without_a_workspace_the_tenant_role_sees_and_takes_nothing() {
    let (db, [ours, _]) = two_workspaces().await;
    // Once on a connection that never had a workspace, once on one that had: there it reads '', not NULL.
    for used in [false, true] {
        let pool =
            PgPoolOptions::new().max_connections(1).connect(&db.url()).await.expect("a pool");
        if used {
            Tenant::begin(&pool, ours).await.expect("entered").finish().await.expect("finished");
        }
        for table in tenant_tables(db.pool()).await {
            let mut tx = pool.begin().await.expect("a transaction");
            run(&mut tx, "SET LOCAL ROLE autopilot_tenant").await.expect("the role");
            assert_eq!(count(&mut tx, &table).await, 0, "{table}");
            let insert = insert(db.pool(), &table, ours).await;
            assert!(is_denied(run(&mut tx, &insert).await), "{insert}");
        }
        pool.close().await;
    }
    db.close().await;
}

#[tokio::test]
async fn the_tenant_role_has_no_way_to_the_platform_tables() {
    let (db, [ours, _]) = two_workspaces().await;
    let tables = tables(db.pool()).await;
    for table in PLATFORM {
        assert!(tables.iter().any(|found| found == table), "{table} is gone: take it off the list");
        for statement in [
            format!("SELECT FROM studio.{table}"),
            format!("DELETE FROM studio.{table}"),
            format!("INSERT INTO studio.{table} DEFAULT VALUES"),
        ] {
            let mut tenant = Tenant::begin(db.pool(), ours).await.expect("entered");
            assert!(is_denied(run(tenant.conn(), &statement).await), "{statement}");
        }
    }
    db.close().await;
}

/// The role and the workspace of a connection, as the next caller finds them.
async fn identity(conn: &mut PgConnection) -> (String, Option<String>) {
    let (role, workspace): (String, Option<String>) = sqlx::query_as(
        "SELECT current_user::text, NULLIF(current_setting('app.workspace_id', true), '')",
    )
    .fetch_one(conn)
    .await
    .expect("the settings");
    (role, workspace)
}

#[tokio::test]
async fn a_pooled_connection_keeps_neither_role_nor_workspace() {
    let (db, [ours, _]) = two_workspaces().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&db.url()).await.expect("a pool");
    let before = identity(&mut pool.acquire().await.expect("the connection")).await;
    assert_eq!(before.1, None);

    let mut tenant = Tenant::begin(&pool, ours).await.expect("entered");
    let within = ("autopilot_tenant".to_owned(), Some(ours.to_string()));
    assert_eq!(identity(tenant.conn()).await, within);
    tenant.finish().await.expect("committed");
    assert_eq!(identity(&mut pool.acquire().await.expect("the connection")).await, before);

    drop(Tenant::begin(&pool, ours).await.expect("entered"));
    assert_eq!(identity(&mut pool.acquire().await.expect("the connection")).await, before);
    pool.close().await;
    db.close().await;
}

#[tokio::test]
async fn a_lent_transaction_comes_back_under_its_own_role_and_commits_as_one() {
    let (db, [ours, _]) = two_workspaces().await;
    let delete = "DELETE FROM studio.profile";

    for commit in [false, true] {
        let mut tx = db.pool().begin().await.expect("a transaction");
        let before = identity(&mut tx).await;
        let mut tenant = Tenant::enter(&mut tx, ours).await.expect("entered");
        assert_eq!(run(tenant.conn(), delete).await.expect("our row"), 1);
        tenant.finish().await.expect("left");
        assert_eq!(identity(&mut tx).await, before);
        workspaces::record_outcome(&mut tx, ours, "done").await.expect("a platform table");
        if commit {
            tx.commit().await.expect("committed");
        } else {
            tx.rollback().await.expect("rolled back");
        }
        let mut conn = db.pool().acquire().await.expect("a connection");
        assert_eq!(count(&mut conn, "profile").await, if commit { 1 } else { 2 });
    }

    // Whoever forgets to leave is refused, not served under the wrong role.
    let mut tx = db.pool().begin().await.expect("a transaction");
    drop(Tenant::enter(&mut tx, ours).await.expect("entered"));
    assert!(is_denied(run(&mut tx, "DELETE FROM studio.workspace").await));
    drop(tx);
    db.close().await;
}

#[tokio::test]
async fn a_workspace_is_entered_within_a_transaction_only() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let mut conn = db.pool().acquire().await.expect("a connection");
    let refused = Tenant::enter(&mut conn, WorkspaceId::now_v7()).await.err().expect("a refusal");
    assert!(refused.to_string().contains("needs a transaction"), "{refused}");
    drop(conn);
    db.close().await;
}

#[tokio::test]
async fn what_the_migrations_made_is_accepted() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    verify(db.pool()).await.expect("tenants are isolated");
    db.close().await;
}

/// What breaks the isolation, what is said of it, and the name that it is said of.
const BREACHES: [(&str, &str, &str); 15] = [
    (
        "ALTER TABLE studio.profile NO FORCE ROW LEVEL SECURITY",
        "not under forced",
        "studio.profile",
    ),
    ("ALTER TABLE studio.ai_rule DISABLE ROW LEVEL SECURITY", "not under forced", "studio.ai_rule"),
    (
        "GRANT SELECT ON studio.workspace TO autopilot_tenant",
        "not under forced",
        "studio.workspace",
    ),
    ("GRANT SELECT ON studio.inbox TO PUBLIC", "not under forced", "studio.inbox"),
    (
        "GRANT SELECT (payload) ON studio.inbox TO autopilot_tenant",
        "not under forced",
        "studio.inbox",
    ),
    (
        "CREATE VIEW public.spy AS SELECT * FROM studio.profile;
         GRANT SELECT ON public.spy TO autopilot_tenant",
        "not under forced",
        "public.spy",
    ),
    (
        "CREATE TABLE public.t (a int); GRANT UPDATE (a) ON public.t TO autopilot_tenant",
        "not under forced",
        "public.t",
    ),
    ("GRANT TRUNCATE ON studio.profile TO autopilot_tenant", "may TRUNCATE", "studio.profile"),
    (
        "CREATE POLICY all_rows ON studio.profile USING (true)",
        "exactly one policy",
        "studio.profile",
    ),
    ("DROP POLICY tenant ON studio.profile", "exactly one policy", "studio.profile"),
    (
        "ALTER POLICY tenant ON studio.profile WITH CHECK (true)",
        "exactly one policy",
        "studio.profile",
    ),
    ("ALTER ROLE autopilot_tenant BYPASSRLS", "has the attribute", "BYPASSRLS"),
    ("GRANT pg_read_all_data TO autopilot_tenant", "is a member of", "pg_read_all_data"),
    ("ALTER TABLE studio.profile OWNER TO autopilot_tenant", "owns", "studio.profile"),
    ("CREATE ROLE ten_stranger; SET LOCAL ROLE ten_stranger", "may not take on", "ten_stranger"),
];

/// The negative controls of `verify`.
#[tokio::test]
async fn every_breach_of_the_isolation_is_refused_by_name() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    for (breach, said, name) in BREACHES {
        // Rolled back: roles belong to the whole cluster, where other tests run at the same time.
        let mut tx = db.pool().begin().await.expect("a transaction");
        sqlx::raw_sql(breach).execute(&mut *tx).await.expect(breach);
        let error = verify_on(&mut tx).await.expect_err(breach).to_string();
        assert!(error.contains(said) && error.contains(name), "{breach}: {error}");
        tx.rollback().await.expect("rolled back");
        verify(db.pool()).await.expect("isolated again");
    }
    db.close().await;
}

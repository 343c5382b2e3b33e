//! Which tests run which statements: what the server has counted for each test's database, while nothing was broken.

use std::collections::{BTreeMap, BTreeSet};

use autopilot_engine::testing::whose;
use sqlx::PgPool;

use super::Statement;

/// What the server must be told to count.
pub(super) const SETTINGS: [(&str, &str); 3] = [
    ("shared_preload_libraries", "pg_stat_statements"),
    ("pg_stat_statements.max", "50000"),
    ("max_connections", "300"),
];

/// The tests that run each file's statement.
pub(super) type Coverage = BTreeMap<String, BTreeSet<String>>;

/// Begins to count.
pub(super) async fn count(pool: &PgPool) {
    let count = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements";
    sqlx::raw_sql(count).execute(pool).await.expect("the server counts statements");
}

/// What was counted.
pub(super) async fn counted(pool: &PgPool, statements: &[Statement]) -> Coverage {
    let read = "SELECT dbid::int8, query FROM pg_stat_statements";
    let counted: Vec<(i64, String)> =
        sqlx::query_as(read).fetch_all(pool).await.expect("the server tells");
    let tests: BTreeMap<i64, &str> =
        counted.iter().filter_map(|(database, query)| Some((*database, whose(query)?))).collect();
    let mut coverage = Coverage::new();
    for (database, query) in &counted {
        let Some(test) = tests.get(database) else { continue };
        for statement in statements.iter().filter(|one| head(&one.text) == head(query)) {
            let files = coverage.entry(statement.file.clone()).or_default();
            files.insert((*test).to_owned());
        }
    }
    coverage
}

/// The comment that each statement begins with; what follows is not counted as it stands, but without its constants.
fn head(sql: &str) -> Vec<&str> {
    sql.trim().lines().take_while(|line| line.starts_with("--")).map(str::trim).collect()
}

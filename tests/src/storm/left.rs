//! What is left where everything should have ended, for whoever has to find out why.

use sqlx::PgPool;

/// So much of each sort is told.
const MOST: i64 = 10;

/// Runs that are not completed, jobs, what waits, what was set aside, and who is out of order: a row each.
pub(crate) async fn left(pool: &PgPool) -> Vec<String> {
    let mut rows = Vec::new();
    for (what, from) in [
        ("run", "engine.run_status WHERE status <> 'completed'"),
        ("job", "engine.job"),
        ("waits", "engine.step WHERE state = 'waiting'"),
        ("dead letter", "engine.dead_letter"),
        ("breaker", "engine.breaker"),
    ] {
        let sql =
            format!("SELECT to_jsonb(found)::text FROM (SELECT * FROM {from} LIMIT {MOST}) found");
        let found: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(pool)
            .await
            .expect("the database answers");
        rows.extend(found.into_iter().map(|row| format!("{what}: {row}")));
    }
    rows
}

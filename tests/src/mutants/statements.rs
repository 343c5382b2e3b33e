//! The statements that are broken.

use std::path::Path;

use sqlx::{AssertSqlSafe, PgPool};

use super::{Mutant, mutants};

/// A statement of the engine, as the compiled tests hold it.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its file, below `engine/sql`.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// The folders of the queue, below `engine/sql`; its own statements stand above them.
const FOLDERS: [&str; 4] = ["", "family", "limit", "pause"];

/// The queue's statements, in the order of their names.
///
/// # Panics
/// When they cannot be read.
#[must_use]
pub fn statements() -> Vec<Statement> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/sql"));
    let mut found = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(root.join(folder)).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                let text = std::fs::read_to_string(&path).expect("the statement can be read");
                if text.contains("VACUUM (") {
                    continue; // There is nothing to prepare.
                }
                let file = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                found.push(Statement { file, text });
            }
        }
    }
    found.sort_by(|one, other| one.file.cmp(&other.file));
    found
}

/// The mutants of a statement that Postgres takes for a statement.
///
/// # Panics
/// When the database cannot be reached, or does not take the statement as it is.
pub async fn born(pool: &PgPool, statement: &Statement) -> Vec<Mutant> {
    assert!(takes(pool, &statement.text).await, "{} cannot be prepared", statement.file);
    let mut born = Vec::new();
    for mutant in mutants(&statement.text) {
        if takes(pool, &mutant.of(&statement.text)).await {
            born.push(mutant);
        }
    }
    born
}

async fn takes(pool: &PgPool, sql: &str) -> bool {
    let mut conn = pool.acquire().await.expect("the database answers");
    let prepare = AssertSqlSafe(format!("PREPARE mutant AS {sql}"));
    let is_taken = sqlx::raw_sql(prepare).execute(&mut *conn).await.is_ok();
    if is_taken {
        sqlx::query("DEALLOCATE mutant").execute(&mut *conn).await.expect("it was prepared");
    }
    is_taken
}

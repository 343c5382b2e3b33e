//! The database's schema and whether this binary fits it.

use std::borrow::Cow;
use std::collections::HashMap;

use sqlx::PgPool;
use sqlx::migrate::Migrator;

/// The engine's own migrations, for the schema `engine`; they are recorded in `engine._migrations`.
pub static MIGRATOR: Migrator = Migrator {
    table_name: Cow::Borrowed("engine._migrations"),
    create_schemas: Cow::Borrowed(&[Cow::Borrowed("engine")]),
    ..sqlx::migrate!("../migrations/engine")
};

/// A newer migration with this at the head of its name must not be run past by an older binary.
const BREAKING: &str = "breaking";

/// Whether a binary and a database fit each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// Every migration is applied and none is unknown.
    Current,
    /// The database is newer, but nothing in it breaks this binary.
    NewerButCompatible {
        /// What this binary does not know.
        unknown: Vec<i64>,
    },
}

/// Why a binary must not touch a database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// Migrations are missing.
    #[error(
        "the database is too old for this version: {} of {table} not applied; run `autopilot migrate`",
        count(missing)
    )]
    TooOld {
        /// Where applied migrations are recorded.
        table: String,
        /// The versions that are missing.
        missing: Vec<i64>,
    },
    /// A newer version has changed what this one relies on.
    #[error(
        "the database is too new for this version: {} of {table} unknown here and breaking; deploy the version that made it",
        count(unknown)
    )]
    TooNew {
        /// Where applied migrations are recorded.
        table: String,
        /// The breaking versions that this binary does not know.
        unknown: Vec<i64>,
    },
    /// An applied migration is not the one that this binary carries.
    #[error(
        "migration {version} of {table} was applied with other content; restore the file that was applied"
    )]
    Changed {
        /// Where applied migrations are recorded.
        table: String,
        /// The version that differs.
        version: i64,
    },
    /// The database did not answer.
    #[error("the schema could not be read: {0}")]
    Database(#[from] sqlx::Error),
}

fn count(versions: &[i64]) -> String {
    let plural = if versions.len() == 1 { "migration" } else { "migrations" };
    let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
    format!("{} {plural} ({})", versions.len(), names.join(", "))
}

/// Compares a migrator with what the database has. Reads only.
///
/// # Errors
/// When the two do not fit, each with what to do.
pub async fn check(pool: &PgPool, migrator: &Migrator) -> Result<Fit, Misfit> {
    let table = migrator.table_name.to_string();
    let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(&table)
        .fetch_one(pool)
        .await?;
    let applied: HashMap<i64, (String, Vec<u8>)> = if exists {
        // The table's name is a constant of ours, never input.
        let rows: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT version, description, checksum FROM {table} WHERE success"
        )))
        .fetch_all(pool)
        .await?;
        rows.into_iter().map(|(version, name, sum)| (version, (name, sum))).collect()
    } else {
        HashMap::new()
    };
    compare(migrator, &table, &applied)
}

fn compare(
    migrator: &Migrator,
    table: &str,
    applied: &HashMap<i64, (String, Vec<u8>)>,
) -> Result<Fit, Misfit> {
    let table = || table.to_owned();
    let mut missing = Vec::new();
    for migration in migrator.iter() {
        match applied.get(&migration.version) {
            None => missing.push(migration.version),
            Some((_, sum)) if sum.as_slice() != migration.checksum.as_ref() => {
                return Err(Misfit::Changed { table: table(), version: migration.version });
            }
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        return Err(Misfit::TooOld { table: table(), missing });
    }
    let known = |version: &i64| migrator.iter().any(|migration| migration.version == *version);
    let mut unknown: Vec<i64> = applied.keys().filter(|version| !known(version)).copied().collect();
    unknown.sort_unstable();
    let breaking: Vec<i64> = unknown
        .iter()
        .filter(|version| {
            applied.get(version).is_some_and(|(name, _)| name.trim_start().starts_with(BREAKING))
        })
        .copied()
        .collect();
    if !breaking.is_empty() {
        return Err(Misfit::TooNew { table: table(), unknown: breaking });
    }
    if unknown.is_empty() { Ok(Fit::Current) } else { Ok(Fit::NewerButCompatible { unknown }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied() -> HashMap<i64, (String, Vec<u8>)> {
        MIGRATOR
            .iter()
            .map(|m| (m.version, (m.description.to_string(), m.checksum.to_vec())))
            .collect()
    }

    #[test]
    fn a_database_without_a_migration_is_too_old_and_the_message_says_what_to_do() {
        let error = compare(&MIGRATOR, "engine._migrations", &HashMap::new()).unwrap_err();
        assert!(matches!(error, Misfit::TooOld { .. }));
        assert!(error.to_string().contains("autopilot migrate"), "{error}");
    }

    #[test]
    fn an_unknown_migration_is_refused_only_when_it_breaks() {
        let mut newer = applied();
        newer.insert(99_999_999_999_999, ("adds a view".to_owned(), vec![]));
        let fit = compare(&MIGRATOR, "t", &newer).unwrap();
        assert_eq!(fit, Fit::NewerButCompatible { unknown: vec![99_999_999_999_999] });
        newer.insert(99_999_999_999_998, ("breaking tokens are text".to_owned(), vec![]));
        let error = compare(&MIGRATOR, "t", &newer).unwrap_err();
        assert!(matches!(error, Misfit::TooNew { unknown, .. } if unknown == [99_999_999_999_998]));
    }

    #[test]
    fn a_migration_that_was_edited_after_it_was_applied_is_refused() {
        let mut edited = applied();
        edited.values_mut().next().unwrap().1.push(0);
        assert!(matches!(compare(&MIGRATOR, "t", &edited), Err(Misfit::Changed { .. })));
    }
}

//! `autopilot migrate`: both schemas, the engine's first.

use autopilot_engine::schema::{self, Fit, Misfit};
use serde_json::json;
use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

use crate::cli::Migrate;
use crate::config::{Database, Pooler};
use crate::console::Console;
use crate::database::{MIGRATORS, Purpose, reach};
use crate::exit::Exit;
use crate::fail::Fail;

/// What was missing in one schema.
struct Missing {
    schema: &'static str,
    migrator: &'static Migrator,
    versions: Vec<i64>,
}

/// Applies what is missing, or with `--check` only says it.
///
/// # Errors
/// When the database cannot be reached, is newer and incompatible, or refuses.
pub(crate) async fn run(args: &Migrate, config: &Database, console: Console) -> Result<Exit, Fail> {
    if !args.check && config.pooler == Pooler::Transaction {
        return Err(Fail::usage(
            "migrations hold a lock of their session, which a pooler in transaction mode has none of: run them with \
             AUTOPILOT__DATABASE__POOLER=none and the server's own address in DATABASE_URL",
        ));
    }
    let purpose = if args.check { Purpose::Look } else { Purpose::Work };
    let pool = reach(config, purpose).await?;
    let mut all = Vec::new();
    for (schema, migrator) in MIGRATORS {
        all.push(Missing { schema, migrator, versions: missing(&pool, migrator).await? });
    }
    if !args.check {
        for one in all.iter().filter(|one| !one.versions.is_empty()) {
            one.migrator.run(&pool).await.map_err(|error| refused(one.schema, &error))?;
        }
    }
    let is_current = all.iter().all(|one| one.versions.is_empty());
    report(&all, args.check, console)?;
    Ok(if args.check && !is_current { Exit::Schema } else { Exit::Ok })
}

async fn missing(pool: &PgPool, migrator: &Migrator) -> Result<Vec<i64>, Fail> {
    match schema::check(pool, migrator).await {
        Ok(Fit::Current | Fit::NewerButCompatible { .. }) => Ok(Vec::new()),
        Err(Misfit::TooOld { missing, .. }) => Ok(missing),
        Err(misfit) => Err(misfit.into()),
    }
}

fn refused(schema: &str, error: &MigrateError) -> Fail {
    Fail::new(
        Exit::Schema,
        format!(
            "schema {schema} was not migrated: {error}; what this command had finished stays, run it again once \
             the cause is mended"
        ),
    )
}

fn report(all: &[Missing], check: bool, console: Console) -> Result<(), Fail> {
    let key = if check { "missing" } else { "applied" };
    let value: Vec<_> =
        all.iter().map(|one| json!({ "schema": one.schema, key: one.versions })).collect();
    console.show(&value, || all.iter().flat_map(|one| lines(one, check)).collect())
}

fn lines(one: &Missing, check: bool) -> Vec<String> {
    if one.versions.is_empty() {
        return vec![format!("{}: up to date", one.schema)];
    }
    let word = if check { "missing" } else { "applied" };
    let migrations = one.migrator.iter().filter(|known| one.versions.contains(&known.version));
    migrations
        .map(|known| format!("{}: {word} {} {}", one.schema, known.version, known.description))
        .collect()
}

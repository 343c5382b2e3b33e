//! All mutants, or some of them, and what became of each.

use std::path::Path;

use autopilot_engine::testing::TestDatabase;
use sqlx::{AssertSqlSafe, PgPool};

use super::{Fate, Mutant, Program, Statement, born, statements};
use crate::storm::Random;

/// The tests that are asked: those of the queue that start no program and wait for nobody.
pub const TESTS: &[&str] = &[
    "enqueueing::",
    "in_order::",
    "l01_claim::",
    "l02_fence::",
    "l05_clock::",
    "l06_long_jobs::",
    "l07_crashes::",
    "l09_drain::",
    "l10_cancel::",
    "l11_unique::",
    "l12_lost_answers::",
    "lanes::",
    "limits::",
    "pauses::",
    "progress::",
    "rescue_races::",
    "retention::",
    "retries::",
    "state_machine::",
    "steps::",
    "turns::",
    "unique::",
    "waiting::",
    "children::",
    "crashes::",
    "poison::",
];

/// Survivors that are known, each with the reason why no test can see it.
const KNOWN: &str = include_str!("known.txt");

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Survey<'p> {
    /// The compiled end-to-end tests.
    pub e2e: &'p Path,
    /// Where copies are written.
    pub folder: &'p Path,
    /// Only statements whose file contains this.
    pub only: &'p str,
    /// So many mutants at most, chosen by the seed; all where there are fewer.
    pub most: usize,
    /// Decides which.
    pub seed: u64,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Mutants that were tried.
    pub tried: usize,
    /// Those that a test saw.
    pub caught: usize,
    /// Those that are known to be the same as what they were made of.
    pub known: usize,
    /// All others, each in a line.
    pub survived: Vec<String>,
}

impl Survey<'_> {
    /// Tries them, one after the other, and says of each what became of it.
    ///
    /// # Errors
    /// When the tests fail as they are, or do not hold a statement: then a mutant would say nothing.
    ///
    /// # Panics
    /// When the database or the program cannot be reached.
    pub async fn run(&self, mut tell: impl FnMut(&str)) -> Result<Found, String> {
        let database = TestDatabase::create(&[&autopilot_engine::MIGRATOR]).await;
        let program = Program::new(self.e2e, self.folder, TESTS);
        let mut all: Vec<(Statement, Mutant)> = Vec::new();
        for statement in statements().into_iter().filter(|one| one.file.contains(self.only)) {
            if !program.holds(&statement) {
                return Err(format!(
                    "the compiled tests do not hold {}: build them",
                    statement.file
                ));
            }
            let born = born(database.pool(), &statement).await;
            all.extend(born.into_iter().map(|mutant| (statement.clone(), mutant)));
        }
        let before = databases(database.pool()).await;
        if let Fate::Caught(test) = program.unbroken().await {
            return Err(format!("{test} fails where nothing is broken"));
        }
        let mut random = Random::new(self.seed | 1);
        let mut found = Found::default();
        while !all.is_empty() && found.tried < self.most {
            let chosen = usize::try_from(random.below(all.len() as u64)).unwrap_or(0);
            let (statement, mutant) = all.swap_remove(chosen);
            let name = format!("{}:{} {}", statement.file, mutant.line, mutant.what);
            found.tried += 1;
            match program.fate(&statement, &mutant).await {
                Fate::Caught(test) => {
                    found.caught += 1;
                    tell(&format!("caught    {name}: {test}"));
                }
                Fate::Survived if is_known(&statement, &mutant) => {
                    found.known += 1;
                    tell(&format!("known     {name}"));
                }
                Fate::Survived => {
                    tell(&format!("SURVIVED  {name}"));
                    found.survived.push(name);
                }
            }
            sweep(database.pool(), &before).await;
        }
        database.close().await;
        Ok(found)
    }
}

fn is_known(statement: &Statement, mutant: &Mutant) -> bool {
    KNOWN.lines().filter(|line| !line.starts_with('#')).any(|line| {
        let mut parts = line.split(" | ");
        parts.next() == Some(&statement.file) && parts.next() == Some(&mutant.what)
    })
}

async fn databases(pool: &PgPool) -> Vec<String> {
    let names = "SELECT datname::text FROM pg_database WHERE datname LIKE 'autopilot_test_%'";
    sqlx::query_scalar(names).fetch_all(pool).await.expect("the database answers")
}

/// Drops what tests have left that were ended by their first failure.
async fn sweep(pool: &PgPool, before: &[String]) {
    for name in databases(pool).await.iter().filter(|name| !before.contains(name)) {
        let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        // Another cluster's user may be at it; an hour later it is swept anyway.
        let _refused = sqlx::raw_sql(AssertSqlSafe(drop)).execute(pool).await;
    }
}

//! All mutants, or some of them, and what became of each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use autopilot_engine::MIGRATOR;
use sqlx::{AssertSqlSafe, PgPool};

use super::program::{Fate, Program};
use super::{Mutant, Statement, born, coverage, statements};
use crate::server::Server;
use crate::storm::Random;

/// Tests that are not asked, by parts of their names: they start programs or servers, read no database, or are of studios.
/// What runs a statement in no other test has mutants that survive.
const SKIPPED: [&str; 28] = [
    "chaos::",
    "command_line::",
    "costs::",
    "endpoints",
    "failover::",
    "flood::",
    "gap_repair::",
    "health::",
    "inbound::",
    "inbox_cli::",
    "isolation::",
    "locks::",
    "messages::",
    "operators",
    "outage::",
    "pooler::",
    "provision",
    "repair::",
    "reviews::",
    "stale_statistics::",
    "storm::",
    "strains::",
    "stripe_events::",
    "tidy::",
    "vacuum::",
    "webhooks::",
    "whatsapp_events::",
    "written_schedules::",
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
    /// Only statements whose files' names contain one of these words; all where there is none.
    pub only: &'p str,
    /// So many mutants at most, chosen by the seed; all where there are fewer.
    pub most: usize,
    /// Decides which.
    pub seed: u64,
    /// The tests that are asked: those whose names have one of these words in them.
    pub tests: &'p str,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Mutants that there are.
    pub all: usize,
    /// Those that were tried.
    pub tried: usize,
    /// Those that a test saw.
    pub caught: usize,
    /// Those that are known to be the same as what they were made of.
    pub known: usize,
    /// All others, each in a line.
    pub survived: Vec<String>,
}

impl Survey<'_> {
    fn is_asked(&self, statement: &Statement) -> bool {
        let mut words = self.only.split_whitespace().peekable();
        words.peek().is_none() || words.any(|word| statement.file.contains(word))
    }

    /// Tries them, one after the other, and says of each what became of it.
    ///
    /// # Errors
    /// When the tests fail as they are, or do not hold a statement: then a mutant would say nothing.
    ///
    /// # Panics
    /// When no server can be started, or the program cannot be run.
    pub async fn run(&self, mut tell: impl FnMut(&str)) -> Result<Found, String> {
        let server = Server::ephemeral(self.folder, &coverage::SETTINGS).await;
        let pool = PgPool::connect(&server.url).await.expect("the server answers");
        MIGRATOR.run(&pool).await.expect("the schema is migrated");
        coverage::count(&pool).await;
        let program = Program::new(self.e2e, self.folder, &server.url);
        let statements = statements();
        if let Some(other) = statements.iter().find(|one| !program.holds(one)) {
            return Err(format!("the compiled tests do not hold {}: build them", other.file));
        }
        if let Fate::Caught(test) = program.unbroken(self.tests, &SKIPPED).await {
            return Err(format!("{test} fails where nothing is broken"));
        }
        let coverage = coverage::counted(&pool, &statements).await;
        let mut all: Vec<(&Statement, Mutant)> = Vec::new();
        for statement in statements.iter().filter(|one| self.is_asked(one)) {
            let born = born(&pool, statement).await;
            let tests = coverage.get(&statement.file).map_or(0, BTreeSet::len);
            tell(&format!("{}: {} mutants, {tests} tests", statement.file, born.len()));
            all.extend(born.into_iter().map(|mutant| (statement, mutant)));
        }
        let mut random = Random::new(self.seed | 1);
        let mut found = Found { all: all.len(), ..Found::default() };
        let mut seers: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let nobody = BTreeSet::new();
        while !all.is_empty() && found.tried < self.most {
            let chosen = usize::try_from(random.below(all.len() as u64)).unwrap_or(0);
            let (statement, mutant) = all.swap_remove(chosen);
            let name = format!("{}:{} {}", statement.file, mutant.line, mutant.what);
            let tests = coverage.get(&statement.file).unwrap_or(&nobody);
            // Those that saw another mutant of it are likely to see this one.
            let likely = seers.entry(&statement.file).or_default();
            let mut fate = Fate::Survived;
            for part in [&*likely, &(tests - likely)] {
                if fate == Fate::Survived && !part.is_empty() {
                    fate = program.fate(statement, &mutant, part.iter()).await;
                }
            }
            found.tried += 1;
            match fate {
                Fate::Caught(test) => {
                    found.caught += 1;
                    tell(&format!("caught    {name}: {test}"));
                    likely.extend(tests.get(&test).cloned());
                }
                Fate::Survived if is_known(statement, &mutant) => {
                    found.known += 1;
                    tell(&format!("known     {name}"));
                }
                Fate::Survived => {
                    tell(&format!("SURVIVED  {name}"));
                    found.survived.push(name);
                }
            }
            sweep(&pool).await;
        }
        pool.close().await;
        Ok(found)
    }
}

fn is_known(statement: &Statement, mutant: &Mutant) -> bool {
    KNOWN.lines().filter(|line| !line.starts_with('#')).any(|line| {
        let mut parts = line.split(" | ");
        parts.next() == Some(&statement.file) && parts.next() == Some(&mutant.what)
    })
}

/// Drops what tests have left that were ended by their first failure.
async fn sweep(pool: &PgPool) {
    let names = "SELECT datname::text FROM pg_database WHERE datname LIKE 'autopilot_test_%'";
    let names: Vec<String> =
        sqlx::query_scalar(names).fetch_all(pool).await.expect("the server answers");
    for name in names {
        let drop = format!("DROP DATABASE {name} WITH (FORCE)");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(pool).await.expect("nobody holds it");
    }
}

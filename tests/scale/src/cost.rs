//! What a unit of work costs: everything that was spent while a backlog was worked off, divided by its size.

use std::time::Duration;

use autopilot_engine::Job;

use crate::Failure;
use crate::checks::Checks;
use crate::jobs::Seven;
use crate::load::{Load, What};
use crate::report::figure;
use crate::server::{Asked, Server, Work, rows};
use crate::workers::{Shape, Workers};

/// The columns that [`Cost::cells`] fills, for a unit of this name.
pub(crate) fn columns<'a>(first: &'a str, unit: &'a [&'a str; 6]) -> Vec<&'a str> {
    std::iter::once(first).chain(unit.iter().copied()).collect()
}

/// For jobs.
pub(crate) const A_JOB: [&str; 6] = [
    "jobs/s",
    "server CPU µs/job",
    "clients' CPU µs/job",
    "statements/job",
    "commits/job",
    "WAL bytes/job",
];

/// For steps.
pub(crate) const A_STEP: [&str; 6] = [
    "steps/s",
    "server CPU µs/step",
    "clients' CPU µs/step",
    "statements/step",
    "commits/step",
    "WAL bytes/step",
];

/// What was spent on a number of units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    units: usize,
    time: Duration,
    server: Duration,
    clients: Duration,
    statements: Option<i64>,
    commits: i64,
    wal: i64,
}

/// All readings at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    work: Work,
    clients: Duration,
}

impl Cost {
    /// Works off a backlog in a database of its own, and checks that all of it was done.
    pub(crate) async fn of(
        server: &mut Server,
        name: &str,
        load: Load,
        shape: Shape,
        checks: &mut Checks,
    ) -> Result<Self, Failure> {
        let database = server.fresh(name).await?;
        load.fill(&database).await?;
        let mut workers = Workers::start(&database, shape).await?;
        server.checkpoint().await?;
        let asked = server.asked(&database).await?;
        let begun = Reading { work: server.work().await?, clients: workers.cpu()? };
        workers.go().await?;
        workers.until_done(load.count).await?;
        let pool = database.pool().await?;
        let mut polls = 1;
        while rows(&pool, "engine.job").await? > 0 {
            polls += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ended = Reading { work: server.work().await?, clients: workers.cpu()? };
        workers.stop().await?;
        let steps = rows(&pool, "engine.step WHERE state = 'done'").await?;
        let completed = rows(&pool, "engine.history WHERE outcome = 'completed'").await?;
        pool.close().await;
        let asked = server.asked(&database).await?.since(asked, polls + 2);
        server.drop(database).await?;
        let per_run = match load.work {
            What::Jobs => 0,
            What::Runs => Seven::STEPS.len(),
        };
        checks.equal(&format!("{name}: completed"), completed, load.count);
        checks.equal(&format!("{name}: steps done"), steps, load.count * per_run);
        Ok(Self::between(load.count * per_run.max(1), begun, ended, asked))
    }

    fn between(units: usize, begun: Reading, ended: Reading, asked: Asked) -> Self {
        Self {
            units,
            time: ended.work.at.saturating_duration_since(begun.work.at),
            server: ended.work.cpu.saturating_sub(begun.work.cpu),
            clients: ended.clients.saturating_sub(begun.clients),
            statements: asked.statements,
            commits: asked.commits,
            wal: ended.work.wal - begun.work.wal,
        }
    }

    /// A row of a table, behind its first cell.
    pub(crate) fn cells(&self, first: String) -> Vec<String> {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let each = |whole: f64| figure(whole / as_f64(self.units));
        vec![
            first,
            figure(as_f64(self.units) / self.time.as_secs_f64()),
            each(micros(self.server)),
            each(micros(self.clients)),
            self.statements.map_or("–".to_owned(), |statements| each(signed(statements))),
            each(signed(self.commits)),
            each(signed(self.wal)),
        ]
    }

    /// What one unit costs the server and the clients together, in microseconds of CPU.
    pub(crate) fn cpu_each(&self) -> f64 {
        (self.server + self.clients).as_secs_f64() * 1e6 / as_f64(self.units)
    }
}

impl Asked {
    /// What was asked since an earlier moment, without so many statements of the measurement itself.
    fn since(self, earlier: Self, own: i64) -> Self {
        let both = self.statements.zip(earlier.statements);
        Self {
            statements: both.map(|(now, then)| now - then - own),
            commits: self.commits - earlier.commits - own,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) const fn as_f64(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn signed(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_cost_is_the_difference_of_readings_divided_by_the_units() {
        let start = Instant::now();
        let reading = |seconds: u64, wal| Reading {
            work: Work {
                at: start + Duration::from_secs(seconds),
                cpu: Duration::from_millis(seconds),
                wal,
            },
            clients: Duration::from_millis(seconds * 2),
        };
        let earlier = Asked { statements: Some(10), commits: 5 };
        let asked = Asked { statements: Some(2_013), commits: 508 }.since(earlier, 3);
        let cost = Cost::between(1_000, reading(1, 100), reading(3, 50_100), asked);
        assert_eq!(
            cost.cells("one".to_owned()),
            ["one", "500", "2.00", "4.00", "2.00", "0.50", "50.0"]
        );
        assert!((cost.cpu_each() - 6.0).abs() < 1e-9);
    }

    #[test]
    fn statements_that_nobody_counts_are_left_open() {
        let none = Asked { statements: None, commits: 1 };
        assert_eq!(none.since(none, 0), Asked { statements: None, commits: 0 });
    }
}

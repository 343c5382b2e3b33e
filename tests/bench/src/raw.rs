//! Bare Postgres: the same minimal work without an engine, by pgbench where that can do it.

mod pgbench;
mod pickup;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sqlx::{Connection, PgConnection, query_scalar, raw_sql};
use tokio::time::timeout;
use url::Url;

use crate::adapter::{Answer, Figure, Outcome};
use crate::rows::Arguments;
use crate::statistics::percentile;
use crate::systems::RAW;
use pgbench::{Amount, Benched, Pgbench};
pub(crate) use pickup::work as pickup_worker;

/// What it can do.
pub(crate) const WORKS: [&str; 6] =
    ["drain", "enqueue-single", "enqueue-batch", "pickup", "workflow", "workflow-alone"];

const SCHEMA: &str = include_str!("../raw/schema.sql");
const DRAIN: &str = include_str!("../raw/drain.sql");
const ENQUEUE_SINGLE: &str = include_str!("../raw/enqueue-single.sql");
const ENQUEUE_BATCH: &str = include_str!("../raw/enqueue-batch.sql");
const WORKFLOW: &str = include_str!("../raw/workflow.sql");

/// Jobs that are claimed and acknowledged at once, and by how many clients at a time.
const DRAIN_BATCH: u64 = 2_000;
const DRAIN_CLIENTS: u64 = 2;
/// More clients than cores do not always help: the better of these counts is the limit.
const WORKFLOW_CLIENTS: [u64; 2] = [16, 64];
/// Runs that are not counted, in a work that has one at a time.
const WARM_UP: u64 = 50;

/// Bare Postgres, on an empty database.
pub(crate) struct Raw<'a> {
    pub(crate) url: &'a Url,
    /// The directory of pgbench; where it is unknown, `PATH` knows.
    pub(crate) bin_dir: Option<&'a Path>,
    /// For logs of transactions.
    pub(crate) folder: &'a Path,
    pub(crate) limit: Duration,
}

/// The figures of a work, and how they were made.
struct Made {
    settings: String,
    figures: Vec<(&'static str, f64)>,
}

impl Raw<'_> {
    /// Runs one work, within the time limit.
    pub(crate) async fn run(&self, work: &str, arguments: &Arguments) -> Outcome {
        let made = match timeout(self.limit, self.made(work, arguments)).await {
            Ok(Ok(made)) => made,
            Ok(Err(reason)) => return Outcome::Failed { reason },
            Err(_elapsed) => return Outcome::TimedOut { limit_seconds: self.limit.as_secs() },
        };
        let figures = made.figures.into_iter();
        let figures = figures.map(|(name, figure)| (name.to_owned(), Figure::One(figure)));
        let answer = Answer {
            system: RAW.to_owned(),
            work: work.to_owned(),
            settings: Some(made.settings),
            figures: figures.collect::<BTreeMap<_, _>>(),
        };
        Outcome::Done { answer }
    }

    async fn made(&self, work: &str, arguments: &Arguments) -> Result<Made, String> {
        let mut database = PgConnection::connect(self.url.as_str()).await.map_err(text)?;
        raw_sql(SCHEMA).execute(&mut database).await.map_err(text)?;
        let argument = |name: &str| {
            arguments.get(name).copied().ok_or_else(|| format!("{work} needs the argument {name}"))
        };
        match work {
            "drain" => self.drain(&mut database, argument("jobs")?).await,
            "enqueue-single" => {
                self.enqueue_single(argument("callers")?, argument("seconds")?).await
            }
            "enqueue-batch" => {
                let (callers, seconds) = (argument("callers")?, argument("seconds")?);
                self.enqueue_batch(argument("batch")?, callers, seconds).await
            }
            "pickup" => pickup::measure(self.url, argument("jobs")?).await,
            "workflow" => self.workflow(argument("seconds")?).await,
            "workflow-alone" => self.workflow_alone(argument("runs")?).await,
            other => Err(format!("bare Postgres has no work {other}")),
        }
    }

    fn pgbench(&self) -> Pgbench<'_> {
        Pgbench { url: self.url, bin_dir: self.bin_dir, folder: self.folder }
    }

    async fn drain(&self, database: &mut PgConnection, jobs: u64) -> Result<Made, String> {
        let filled = pgbench::with(&[("batch", jobs)]);
        self.pgbench().run(ENQUEUE_BATCH, 1, Amount::Each(1), &filled).await?;
        // Each by itself: together they would be one transaction.
        for settle in ["VACUUM (ANALYZE) job", "CHECKPOINT"] {
            raw_sql(settle).execute(&mut *database).await.map_err(text)?;
        }
        let batches = jobs.div_ceil(DRAIN_BATCH).div_ceil(DRAIN_CLIENTS);
        let size = pgbench::with(&[("batch", DRAIN_BATCH)]);
        let benched =
            self.pgbench().run(DRAIN, DRAIN_CLIENTS, Amount::Each(batches), &size).await?;
        let done: i64 = query_scalar("SELECT count(*) FROM history")
            .fetch_one(&mut *database)
            .await
            .map_err(text)?;
        let settings =
            format!("claim and ack, batch {DRAIN_BATCH}, {DRAIN_CLIENTS} clients, history kept");
        let rate = done as f64 / benched.seconds();
        match u64::try_from(done) {
            Ok(done) if done == jobs => Ok(Made { settings, figures: vec![("rate", rate)] }),
            Ok(_) | Err(_) => Err(format!("{done} of {jobs} jobs were drained")),
        }
    }

    async fn enqueue_single(&self, callers: u64, seconds: u64) -> Result<Made, String> {
        let amount = Amount::Seconds(seconds);
        let benched = self.pgbench().run(ENQUEUE_SINGLE, callers, amount, &[]).await?;
        let settings = format!("pgbench, {callers} clients, no NOTIFY");
        Ok(Made { settings, figures: benched.rate_and_latency(0)? })
    }

    async fn enqueue_batch(&self, batch: u64, callers: u64, seconds: u64) -> Result<Made, String> {
        let amount = Amount::Seconds(seconds);
        let size = pgbench::with(&[("batch", batch)]);
        let benched = self.pgbench().run(ENQUEUE_BATCH, callers, amount, &size).await?;
        let settings = format!("pgbench, {callers} clients, INSERT of {batch} rows, no NOTIFY");
        Ok(Made { settings, figures: vec![("rate", benched.rate * batch as f64)] })
    }

    async fn workflow(&self, seconds: u64) -> Result<Made, String> {
        let mut runs: Vec<(u64, Benched)> = Vec::new();
        for clients in WORKFLOW_CLIENTS {
            let amount = Amount::Seconds(seconds);
            runs.push((clients, self.pgbench().run(WORKFLOW, clients, amount, &[]).await?));
        }
        let each = runs.iter().map(|(clients, run)| format!("{clients}: {:.0}/s", run.rate));
        let settings =
            format!("pgbench, 9 commits, best of clients {}", each.collect::<Vec<_>>().join(", "));
        let best = runs.iter().max_by(|(_, a), (_, b)| a.rate.total_cmp(&b.rate));
        let (_, best) = best.ok_or("no number of clients")?;
        Ok(Made { settings, figures: best.rate_and_latency(0)? })
    }

    async fn workflow_alone(&self, runs: u64) -> Result<Made, String> {
        let amount = Amount::Each(runs + WARM_UP);
        let benched = self.pgbench().run(WORKFLOW, 1, amount, &[]).await?;
        let settings = "pgbench, 1 client, 9 commits".to_owned();
        let warm_up = usize::try_from(WARM_UP).map_err(text)?;
        Ok(Made { settings, figures: benched.rate_and_latency(warm_up)? })
    }
}

impl Benched {
    /// Leaves out the first transactions, which were to warm up, of the latencies.
    fn rate_and_latency(&self, warm_up: usize) -> Result<Vec<(&'static str, f64)>, String> {
        let counted = self.latencies_ms.get(warm_up..).unwrap_or_default();
        let of = |share| percentile(counted, share).ok_or("no transaction was measured".to_owned());
        Ok(vec![("rate", self.rate), ("p50_ms", of(0.5)?), ("p99_ms", of(0.99)?)])
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! Two databases of one server side by side, of which one carries a ballast. Both do the same work in turns, so that
//! what the machine does meanwhile weighs on both alike; what counts is the ratio.

use std::error::Error;
use std::time::Instant;

use autopilot_engine::JobId;
use autopilot_engine::ops::jobs::{self, Filter};
use autopilot_engine::ops::runs;
use serde_json::{Map, Value, json};
use sqlx::PgPool;

use crate::arguments::Arguments;
use crate::ballast;
use crate::drain::{Drain, fill};
use crate::fleet::{Target, database};
use crate::latency::{median, percentile, rate, rounded};
use crate::pickup;
use crate::report;
use crate::watch::Watch;

/// Both have so many ended jobs, and dead letters, from the start: an empty list is no measure of a list.
const FURNITURE: (i64, i64) = (5_000, 100);

/// What operators ask, by name.
const ASKED: [&str; 5] = ["show_run", "show_job", "list_runs", "list_failed_runs", "list_jobs"];

/// A database and what was measured in it.
pub(crate) struct Side {
    pub(crate) pool: PgPool,
    target: Target,
    enqueued: Vec<f64>,
    drained: Vec<f64>,
    pickups: Vec<i64>,
    /// As [`ASKED`].
    asked: [Vec<i64>; 5],
}

/// The two of them.
pub(crate) struct Sides {
    pub(crate) laden: Side,
    plain: Side,
}

/// What is done in a turn.
struct Turn {
    drain: Drain,
    jobs: usize,
    pickups: usize,
    asks: i64,
}

impl Sides {
    /// Makes both, without the ballast; the one that will carry it is the database of the environment.
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let target = Target::from_environment()?;
        let beside = target.beside("plain").await?;
        Ok(Self { laden: Side::start(target).await?, plain: Side::start(beside).await? })
    }

    /// Takes turns, and answers the ratios and what the laden side reached.
    pub(crate) async fn compare(
        mut self,
        arguments: &Arguments,
    ) -> Result<Map<String, Value>, Box<dyn Error>> {
        let turn = Turn {
            drain: Drain::of(arguments)?,
            jobs: arguments.get("jobs", 50_000)?,
            pickups: arguments.get("pickups", 200)?,
            asks: arguments.get("asks", 100)?,
        };
        let turns: usize = arguments.get("turns", 5)?;
        // The first is for warming up.
        for number in 0..=turns {
            let (first, second) = (&mut self.plain, &mut self.laden);
            let order = if number % 2 == 0 { [first, second] } else { [second, first] };
            for side in order {
                turn.take(side).await?;
                if number == 0 {
                    side.forget();
                }
            }
            report::progress(&format!("turn {number} of {turns} taken by both"));
        }
        let figures = self.figures();
        self.plain.pool.close().await;
        self.laden.target.drop_beside(&self.plain.target).await?;
        Ok(figures)
    }

    /// Ratios say how many times worse the laden side is: 1 is the same, more is worse.
    fn figures(&mut self) -> Map<String, Value> {
        let (plain, laden) = (&mut self.plain, &mut self.laden);
        let mut figures = Map::new();
        let mut tell = |name: &str, ratio: f64, unit: &str, figure: f64| {
            figures.insert(format!("{name}_times"), json!(rounded(ratio)));
            figures.insert(format!("{name}_{unit}"), json!(rounded(figure)));
        };
        let rates = (median(&plain.enqueued), median(&laden.enqueued));
        tell("enqueue", rates.0 / rates.1, "rate", rates.1);
        let rates = (median(&plain.drained), median(&laden.drained));
        tell("drain", rates.0 / rates.1, "rate", rates.1);
        for (name, percent) in [("p50", 50.0), ("p99", 99.0)] {
            let times =
                [&mut plain.pickups, &mut laden.pickups].map(|all| percentile(all, percent));
            tell(name, times[1] / times[0], "ms", times[1]);
        }
        for (name, (plain, laden)) in ASKED.iter().zip(plain.asked.iter_mut().zip(&mut laden.asked))
        {
            let times = [plain, laden].map(|all| percentile(all, 50.0));
            tell(name, times[1] / times[0], "ms", times[1]);
        }
        figures
    }
}

impl Side {
    async fn start(target: Target) -> Result<Self, Box<dyn Error>> {
        let pool = database(&target).await?;
        ballast::history(&pool, FURNITURE.0).await?;
        ballast::dead_letters(&pool, FURNITURE.1).await?;
        let (enqueued, drained, pickups) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { pool, target, enqueued, drained, pickups, asked: Default::default() })
    }

    fn forget(&mut self) {
        self.enqueued.clear();
        self.drained.clear();
        self.pickups.clear();
        self.asked = Default::default();
    }

    /// How long each of the operator's questions takes, `asks` times.
    async fn ask(&mut self, asks: i64) -> Result<(), Box<dyn Error>> {
        // What the drain left behind is there or gone by chance, and a list reads all of it: that is no matter of the ballast.
        sqlx::query("VACUUM engine.job").execute(&self.pool).await?;
        let some = "SELECT id FROM engine.run ORDER BY random() LIMIT $1";
        let ids: Vec<sqlx::types::Uuid> =
            sqlx::query_scalar(some).bind(asks).fetch_all(&self.pool).await?;
        let all = Filter::default();
        let failed = Filter { status: Some("failed".to_owned()), ..Filter::default() };
        for id in ids.into_iter().map(JobId::from) {
            for (question, times) in self.asked.iter_mut().enumerate() {
                let begun = Instant::now();
                match question {
                    0 => drop(runs::show(&self.pool, id).await?),
                    1 => drop(jobs::show(&self.pool, id).await?),
                    2 => drop(runs::list(&self.pool, &all).await?),
                    3 => drop(runs::list(&self.pool, &failed).await?),
                    _ => drop(jobs::list(&self.pool, &all).await?),
                }
                times.push(i64::try_from(begun.elapsed().as_nanos())?);
            }
        }
        Ok(())
    }
}

impl Turn {
    async fn take(&self, side: &mut Side) -> Result<(), Box<dyn Error>> {
        let mut watch = Watch::from_now(&side.target).await?;
        side.enqueued.push(rate(self.jobs, fill(&side.pool, self.jobs).await?));
        let handled = self.drain.run(&side.pool, self.jobs).await;
        watch.until_worked_off().await?;
        side.drained.push(rate(self.jobs, handled.stop().await?));
        side.pickups.extend(pickup::latencies(&side.pool, &side.target, self.pickups).await?);
        side.ask(self.asks).await
    }
}

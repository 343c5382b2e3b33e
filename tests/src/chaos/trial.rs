//! A trial, and how it is run.

use std::fs;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use serde_json::json;

use super::caught::caught;
use super::{History, Outcome};

/// What runs a trial.
pub type Run = fn(Order) -> Pin<Box<dyn Future<Output = Outcome>>>;

/// One kind of fault.
#[derive(Debug, Clone, Copy)]
pub struct Trial {
    /// As it is called for.
    pub id: &'static str,
    /// What it breaks.
    pub breaks: &'static str,
    /// It has failed when it takes longer.
    pub limit: Duration,
    /// The trial itself.
    pub run: Run,
    /// The same with what protects taken away.
    pub controls: &'static [Control],
}

/// What shows that the checker can see.
#[derive(Debug, Clone, Copy)]
pub struct Control {
    /// What is taken away.
    pub what: &'static str,
    /// What stands in the violation that must be seen.
    pub sees: &'static str,
    /// How it is run.
    pub run: Run,
}

/// What a trial is told.
#[derive(Debug, Clone)]
pub struct Order {
    /// Decides what is struck when. The same number strikes the same.
    pub seed: u64,
    /// How much of a full run: 1 is all of it.
    pub size: f64,
    /// Where it may write; what is there is removed.
    pub folder: PathBuf,
    /// The program under test.
    pub program: PathBuf,
    /// The compiled end-to-end tests, where there are any.
    pub e2e: Option<PathBuf>,
    /// The crates' compiled unit tests, where there are any.
    pub units: Vec<PathBuf>,
    /// What happens is noted there.
    pub history: History,
}

impl Order {
    /// An order with a new folder.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn new(seed: u64, size: f64, folder: PathBuf, program: PathBuf) -> Self {
        drop(fs::remove_dir_all(&folder));
        fs::create_dir_all(&folder).expect("the trial's folder can be made");
        let history = History::new(&folder);
        Self { seed, size, folder, program, e2e: None, units: Vec::new(), history }
    }

    /// So much of what a full run has, and at least `least`.
    pub(super) fn many(&self, full: usize, least: usize) -> usize {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sizes are small and positive"
        )]
        let part = (full as f64 * self.size).round() as usize;
        part.max(least)
    }

    /// So much of the time of a full run.
    pub(super) fn time(&self, full: u64) -> Duration {
        Duration::from_secs(full).mul_f64(self.size)
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    /// The trial.
    pub trial: Trial,
    /// What came of it.
    pub outcome: Outcome,
    /// What each of its controls found; none where they were not run.
    pub controls: Vec<Outcome>,
    /// How long both took.
    pub took: Duration,
}

impl Row {
    /// The controls, and of each what is not as it must be where it was seen.
    pub fn seen(&self) -> impl Iterator<Item = (&Control, &Outcome, Option<&String>)> {
        self.trial.controls.iter().zip(&self.controls).map(|(control, outcome)| {
            let hit = |violation: &&String| violation.contains(control.sees);
            (control, outcome, outcome.violations.iter().find(hit))
        })
    }

    /// Whether all is as it must be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let blind =
            |(_, broken, hit): (_, &Outcome, Option<_>)| hit.is_none() && broken.not_run.is_none();
        self.outcome.violations.is_empty() && !self.seen().any(blind)
    }
}

/// Runs a trial and, where `with_controls` says so, its controls. The order's folder is the parent of theirs.
pub async fn run(trial: Trial, order: &Order, with_controls: bool) -> Row {
    let began = Instant::now();
    let order_of = |name: &str| Order {
        e2e: order.e2e.clone(),
        units: order.units.clone(),
        ..Order::new(order.seed, order.size, order.folder.join(name), order.program.clone())
    };
    let outcome = within(trial.limit, trial.run, order_of(trial.id)).await;
    let mut controls = Vec::new();
    if with_controls && outcome.not_run.is_none() {
        for (control, number) in trial.controls.iter().zip(1..) {
            let order = order_of(&format!("{}-control-{number}", trial.id));
            controls.push(within(trial.limit, control.run, order).await);
        }
    }
    Row { trial, outcome, controls, took: began.elapsed() }
}

async fn within(limit: Duration, run: Run, order: Order) -> Outcome {
    let history = order.history.clone();
    history.note("begins", json!({ "seed": order.seed, "size": order.size }));
    let failed = |why: String| Outcome { violations: vec![why], ..Outcome::default() };
    let outcome = match tokio::time::timeout(limit, caught(run(order))).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => failed(format!("the trial did not come to its end: {panic}")),
        Err(_elapsed) => failed(format!("the trial had not ended after {limit:?}")),
    };
    history.note("ended", json!({ "violations": outcome.violations, "notes": outcome.notes }));
    outcome
}

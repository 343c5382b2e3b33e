//! A provider is out of order for ten minutes while many studios depend on it: what is called meanwhile, and when all is done.
//!
//! Time is the database's, and passes quickly where nobody has anything to do: the ten minutes, and the two in which all must be done. Calls, paces
//! and the providers' limits are of real time, so nothing is quicker for them than it would be.

mod reply;
mod scene;
mod told;

use std::path::PathBuf;
use std::time::Duration;

use autopilot_engine::testing::Process;
use autopilot_sandbox::{Fault, Provider, Rule};
use chrono::{DateTime, Utc};

use scene::Scene;
pub use told::Told;

/// How long the provider is out of order.
const OUTAGE: Duration = Duration::from_secs(600);

/// Who is out of order, and how.
pub const OUTAGES: [(Provider, Fault); 4] = [
    (Provider::Stripe, Fault::Status { status: 503, retry_after: None, body: None }),
    (Provider::Twilio, Fault::Hang),
    (Provider::Whatsapp, Fault::ResetBefore),
    (Provider::Openai, Fault::Status { status: 500, retry_after: None, body: None }),
];

/// When all must be done after it is back.
pub const DONE_WITHIN: Duration = Duration::from_secs(120);

/// So often one call may try it in any minute.
const PROBES_A_MINUTE: usize = 2;

/// What has not ended so long after it is back never will.
const STUCK: Duration = Duration::from_secs(900);

/// What goes wrong, and for how many.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who is out of order.
    pub provider: Provider,
    /// How.
    pub fault: Fault,
    /// How many studios need it.
    pub studios: usize,
    /// How many worker processes there are.
    pub processes: usize,
    /// Whether steps are guarded by breakers; without them the checker must see it.
    pub breakers: bool,
    /// The program, which is asked in the middle of it what is wrong.
    pub program: PathBuf,
    /// Where the ledger goes.
    pub folder: PathBuf,
}

/// What happened.
#[derive(Debug)]
pub struct Report {
    /// The plan.
    pub plan: Plan,
    /// Calls that the provider received while it was out of order.
    pub calls: usize,
    /// Those that it may have received before the breaker was open: as many as can be under way at once, and five.
    pub at_once: usize,
    /// How often its breaker opened.
    pub opened: usize,
    /// The most probes in any minute.
    pub probes_a_minute: usize,
    /// Attempts that any run had spent when the outage ended.
    pub spent: i64,
    /// What a person was told who looked in the middle of it.
    pub told: Told,
    /// From when the provider was back until all was done, by the database's clock.
    pub recovery: Duration,
    /// Runs that are whole.
    pub done: usize,
    /// Runs that were set aside, and those that spent more than one attempt.
    pub harmed: usize,
    /// What was bought twice.
    pub doubled: usize,
    /// Calls that any provider refused because they were over its rate.
    pub over_rate: usize,
}

impl Report {
    /// What is not as it must be, each in one line; empty when all is well.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let plan = &self.plan;
        let mut found = Vec::new();
        let mut check = |is_well: bool, what: String| {
            if !is_well {
                found.push(what);
            }
        };
        check(self.spent == 0, format!("{} attempts were spent", self.spent));
        check(self.harmed == 0, format!("{} runs were set aside or attempted twice", self.harmed));
        check(self.done == plan.studios, format!("{} of {} are done", self.done, plan.studios));
        check(self.opened == 1, format!("the breaker opened {} times", self.opened));
        check(
            self.probes_a_minute <= PROBES_A_MINUTE,
            format!("{} probes in a minute", self.probes_a_minute),
        );
        let most = self.at_once + PROBES_A_MINUTE * 10;
        check(
            self.calls <= most,
            format!("{} calls while it was down, {most} at most", self.calls),
        );
        for what in self.told.missing(&plan.provider.to_string()) {
            check(false, what);
        }
        check(
            self.recovery <= DONE_WITHIN,
            format!("all was done {:?} after it was back", self.recovery),
        );
        check(self.doubled == 0, format!("{} effects were doubled", self.doubled));
        check(self.over_rate == 0, format!("{} calls were over a provider's rate", self.over_rate));
        found
    }
}

/// Lets a provider be out of order for ten minutes, and waits until all who need it are done.
///
/// # Panics
/// When it cannot be done at all; what goes wrong in it is in the report.
pub async fn run(plan: Plan) -> Report {
    let scene = Scene::set(&plan).await;
    let everything = Rule::new(plan.provider, plan.fault.clone()).times(u32::MAX);
    scene.sandbox.faults().add(everything);
    let before = scene.sandbox.traffic(plan.provider).calls;
    scene.begin(&plan).await;
    let fleet: Vec<Process> = (0..plan.processes).map(|_| scene.world.start()).collect();
    let began = scene.world.clock.now().await.expect("the clock is read");
    scene.pass_until(began + OUTAGE / 2).await;
    let told = scene.look(&plan).await;
    scene.pass_until(began + OUTAGE).await;

    let calls = scene.sandbox.traffic(plan.provider).calls - before;
    let spent = scene
        .world
        .value("SELECT coalesce(sum(attempt), 0)::bigint FROM engine.job WHERE state = 0")
        .await;
    scene.sandbox.faults().clear();
    let back = scene.world.clock.now().await.expect("the clock is read");
    let ended = scene.pass_until_done(back + STUCK).await;
    for process in fleet {
        process.stop().await;
    }
    let report = Report {
        calls,
        at_once: scene.at_once(&plan),
        opened: scene.log(&plan, "opened").await.len(),
        probes_a_minute: most_in_a_minute(&scene.log(&plan, "probed").await),
        spent,
        told,
        recovery: (ended - back).to_std().unwrap_or_default(),
        done: scene.done(&plan).await,
        harmed: scene.harmed().await,
        doubled: scene.sandbox.summary().await.expect("the ledger").double_effects.len(),
        over_rate: scene.refused(),
        plan,
    };
    scene.clear().await;
    report
}

/// The most of these in any minute.
fn most_in_a_minute(times: &[DateTime<Utc>]) -> usize {
    let within = |from: &DateTime<Utc>| {
        let passed = |at: &&DateTime<Utc>| (0..60).contains(&(**at - *from).num_seconds());
        times.iter().filter(passed).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

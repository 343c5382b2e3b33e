//! The storm: real worker processes provision studios while they are killed and paused at random.
//!
//! Afterwards a checker that reads only the sandbox's ledger and the database says what was lost or done twice.
//!
//! `fence: false` takes the fence away inside the database ([`audit::take_the_fence_away`]), and the checker must see it.

pub mod audit;
pub(crate) mod callers;
pub(crate) mod checker;
mod environment;
pub mod failover;
pub(crate) mod fleet;
mod left;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use autopilot_engine::testing::TestDatabase;
use autopilot_engine::{JobId, MIGRATOR, WorkspaceId, ops};
use autopilot_sandbox::{Checkout, Fault, Options, Provider, Rule, Sandbox};
use autopilot_workflows::state::workspaces;
use sqlx::PgPool;
use tokio::task::JoinSet;

pub use checker::Verdict;
pub use environment::Pace;
use fleet::{Crew, Fleet};
pub(crate) use left::left;

/// After the last strike everything has ended within so long, or is stuck.
pub const STUCK: Duration = Duration::from_secs(60);

/// A storm that has not ended by then is stuck.
const DEADLINE: Duration = Duration::from_secs(900);

/// Signs the checkouts.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_the_storm_is_only_a_test";

/// How hard it blows.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many studios are provisioned.
    pub workflows: usize,
    /// How many worker processes there are.
    pub workers: usize,
    /// Whether the fence is there.
    pub fence: bool,
    /// Whether the providers know a repeated call by its key or by what it names.
    pub keys: bool,
    /// How fast it is.
    pub pace: Pace,
    /// Which kills and pauses happen when.
    pub seed: u64,
    /// The program under test.
    pub program: PathBuf,
    /// Where the ledger and the logs go.
    pub folder: PathBuf,
}

/// What happened, and what the checker says of it.
#[derive(Debug)]
pub struct Report {
    /// The plan.
    pub plan: Plan,
    /// From the first checkout to the last run's end.
    pub took: Duration,
    /// SIGKILLs.
    pub kills: usize,
    /// SIGSTOPs until the others had declared the process dead.
    pub pauses: usize,
    /// Runs that an operator had to put back: quarantined after three crashes, or out of retries.
    pub put_back: usize,
    /// Writes of superseded attempts that the fence refused.
    pub refused: usize,
    /// From each kill to the next claim of each job that the killed process held, in milliseconds of the database's clock, the
    /// shortest first.
    pub recovered: Vec<f64>,
    /// From the last strike until everything had ended.
    pub settled: Duration,
    /// Runs that had not ended by then, [`STUCK`] later.
    pub stuck: usize,
    /// What was left of them.
    pub left: Vec<String>,
    /// What the checker found.
    pub verdict: Verdict,
}

impl Report {
    /// Whether the storm ended well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations().is_empty()
    }

    /// What is not as it must be.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let mut violations = self.verdict.violations();
        if self.stuck > 0 {
            let left = self.left.join("; ");
            violations.push(format!(
                "runs stuck {STUCK:?} after the last strike: {}: {left}",
                self.stuck
            ));
        }
        violations
    }
}

/// Runs a storm from its first checkout to its verdict.
///
/// # Panics
/// When the storm itself cannot be run; what the program does wrong is in the report.
pub async fn run(plan: Plan) -> Report {
    std::fs::create_dir_all(&plan.folder).expect("the storm's folder can be made");
    let database = TestDatabase::create(&[&MIGRATOR, &autopilot_workflows::MIGRATOR]).await;
    audit::watch(database.pool()).await;
    if plan.pace == Pace::Short {
        audit::answer_beats_late(database.pool()).await;
    }
    if !plan.fence {
        audit::take_the_fence_away(database.pool()).await;
    }
    let ledger = plan.folder.join("ledger.jsonl");
    drop(std::fs::remove_file(&ledger));
    let mut options = Options::new(&ledger);
    options.subaccount_limit = plan.workflows * 2 + 10;
    options.ignores_keys = !plan.keys;
    let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
    script_faults(&sandbox, &plan);

    let studios = register(database.pool(), plan.workflows).await;
    let (url, pooler) = match database.pooler_url() {
        Some(url) => (url, "transaction"),
        None => (database.url(), "none"),
    };
    let way = [("DATABASE_URL", url.as_str()), ("AUTOPILOT__DATABASE__POOLER", pooler)];
    let crew = Crew {
        program: plan.program.clone(),
        folder: plan.folder.clone(),
        workers: plan.workers,
        pace: plan.pace,
        all: Vec::new(),
        each: Vec::new(),
    };
    let mut fleet = Fleet::start(crew, &way, &sandbox.env());
    let http = fleet.http_address().await;
    let started = Instant::now();
    let ((), blown) = tokio::join!(
        deliver(&sandbox, &http, &studios),
        blow(&mut fleet, database.pool(), &plan, started)
    );
    let took = started.elapsed();
    let (kills, pauses) = (fleet.kills, fleet.pauses);
    let refused = fleet.finish().await;
    sandbox.stop().await;
    let recovered = audit::recovered(database.pool()).await;
    let verdict = checker::check(database.pool(), &ledger, &studios).await;
    database.close().await;
    let Blown { put_back, settled, stuck, left } = blown;
    Report {
        plan,
        took,
        kills,
        pauses,
        put_back,
        refused,
        recovered,
        settled,
        stuck,
        left,
        verdict,
    }
}

/// Slow answers keep calls under way when the kill comes; lost answers make every purchase doubtful now and then.
fn script_faults(sandbox: &Sandbox, plan: &Plan) {
    let lost = u32::try_from(plan.workflows / 20).unwrap_or(u32::MAX);
    for every in 0..lost {
        for path in ["/IncomingPhoneNumbers.json", "/Accounts.json"] {
            let rule = Rule::new(Provider::Twilio, Fault::ResetAfter)
                .method("POST")
                .path_contains(path)
                .skip(every * 19 % 97);
            sandbox.faults().add(rule);
        }
    }
    slow_answers(sandbox, plan.pace);
}

/// Keeps calls under way for a while.
pub(crate) fn slow_answers(sandbox: &Sandbox, pace: Pace) {
    let ms = u64::try_from(pace.answers_after().as_millis()).unwrap_or(u64::MAX);
    for provider in [Provider::Twilio, Provider::Stripe, Provider::Whatsapp] {
        let slow = Rule::new(provider, Fault::Delay { ms }).times(u32::MAX);
        sandbox.faults().add(slow);
    }
}

pub(crate) async fn register(pool: &PgPool, count: usize) -> Vec<WorkspaceId> {
    let studios: Vec<WorkspaceId> = (0..count).map(|_| WorkspaceId::now_v7()).collect();
    let mut tx = pool.begin().await.expect("the database answers");
    for studio in &studios {
        workspaces::ensure(&mut tx, *studio).await.expect("the studio is registered");
    }
    tx.commit().await.expect("the studios are registered");
    studios
}

/// Sends every checkout, signed as Stripe signs, and insists on its acknowledgement.
async fn deliver(sandbox: &Sandbox, http: &str, studios: &[WorkspaceId]) {
    let url = format!("http://{http}/webhooks/stripe");
    for studio in studios {
        let checkout = Checkout::new(studio.to_string()).deliver(&url, WEBHOOK_SECRET);
        let outcome = sandbox.checkout(&checkout).await.expect("the checkout is delivered");
        assert_eq!(outcome.delivered, Some(200), "checkout of {studio}");
    }
}

/// How it ended.
struct Blown {
    put_back: usize,
    settled: Duration,
    stuck: usize,
    left: Vec<String>,
}

/// Kills and pauses until few runs are left, and then waits for those.
async fn blow(fleet: &mut Fleet, pool: &PgPool, plan: &Plan, started: Instant) -> Blown {
    let mut random = Random::new(plan.seed | 1);
    let mut put_back = 0;
    while open(pool, plan.workflows).await > plan.workflows / 20 {
        assert!(started.elapsed() < DEADLINE, "the storm is stuck after {DEADLINE:?}");
        put_back += put_back_dead(pool).await;
        fleet.strike(&mut random, pool).await;
    }
    fleet.resume_all();
    let calm = Instant::now();
    while open(pool, plan.workflows).await > 0 && calm.elapsed() < STUCK {
        put_back += put_back_dead(pool).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (settled, stuck) = (calm.elapsed(), open(pool, plan.workflows).await);
    let left = if stuck == 0 { Vec::new() } else { left(pool).await };
    Blown { put_back, settled, stuck, left }
}

/// Jobs that have not ended. A check that a schedule has made for later is nobody's to wait for.
async fn unended(pool: &PgPool) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM engine.job WHERE kind <> 'studio.check' OR run_at <= engine.now()",
    )
    .fetch_one(pool)
    .await
    .expect("the database answers")
}

/// Runs without an end, and jobs, whichever are more.
async fn open(pool: &PgPool, workflows: usize) -> usize {
    let completed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM engine.run_status WHERE status = 'completed'")
            .fetch_one(pool)
            .await
            .expect("the database answers");
    let live = unended(pool).await;
    let count = |number| usize::try_from(number).unwrap_or_default();
    count(live).max(workflows.saturating_sub(count(completed)))
}

/// What an operator does with jobs that were set aside: looks, and puts them back.
pub(crate) async fn put_back_dead(pool: &PgPool) -> usize {
    let dead: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM engine.dead_letter")
        .fetch_all(pool)
        .await
        .expect("the database answers");
    let mut put_back = JoinSet::new();
    for id in &dead {
        let (pool, id) = (pool.clone(), JobId::from(*id));
        put_back.spawn(async move { ops::retry(&pool, id).await });
    }
    put_back.join_all().await.into_iter().filter(Result::is_ok).count()
}

/// A small generator (xorshift), so that a seed replays the same storm.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The same numbers for the same seed.
    pub(crate) const fn new(seed: u64) -> Self {
        // It would stay at zero for ever.
        Self(if seed == 0 { 1 } else { seed })
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number in `0..bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

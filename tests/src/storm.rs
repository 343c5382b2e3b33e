//! The storm: real worker processes provision studios while they are killed and paused at random.
//!
//! Afterwards a checker that reads only the sandbox's ledger and the database says what was lost or done twice.
//!
//! `fence: false` takes the fence away inside the database ([`audit::take_the_fence_away`]), and the checker must see it.

pub mod audit;
mod checker;
pub mod failover;
mod fleet;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use autopilot_engine::testing::TestDatabase;
use autopilot_engine::{JobId, MIGRATOR, WorkspaceId, ops};
use autopilot_sandbox::{Checkout, Fault, Options, Provider, Rule, Sandbox};
use autopilot_workflows::state::workspaces;
use sqlx::PgPool;
use tokio::task::JoinSet;

pub use checker::Verdict;
use fleet::Fleet;

/// How long a silent process keeps its jobs in the storm.
const LEASE: Duration = Duration::from_secs(3);

/// A storm that has not ended by then is stuck.
const DEADLINE: Duration = Duration::from_secs(900);

/// Signs the checkouts.
const WEBHOOK_SECRET: &str = "whsec_the_storm_is_only_a_test";

/// How hard it blows.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many studios are provisioned.
    pub workflows: usize,
    /// How many worker processes there are.
    pub workers: usize,
    /// Whether the fence is there.
    pub fence: bool,
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
    /// What the checker found.
    pub verdict: Verdict,
}

impl Report {
    /// Whether the storm ended well.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict.violations().is_empty()
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
    audit::answer_beats_late(database.pool()).await;
    if !plan.fence {
        audit::take_the_fence_away(database.pool()).await;
    }
    let ledger = plan.folder.join("ledger.jsonl");
    drop(std::fs::remove_file(&ledger));
    let mut options = Options::new(&ledger);
    options.subaccount_limit = plan.workflows * 2 + 10;
    let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
    script_faults(&sandbox, plan.workflows);

    let studios = register(database.pool(), plan.workflows).await;
    let (url, pooler) = match database.pooler_url() {
        Some(url) => (url, "transaction"),
        None => (database.url(), "none"),
    };
    let way = [("DATABASE_URL", url.as_str()), ("AUTOPILOT__DATABASE__POOLER", pooler)];
    let mut fleet = Fleet::start(&plan, &way, &sandbox.env(), WEBHOOK_SECRET);
    let http = fleet.http_address().await;
    let started = Instant::now();
    let ((), put_back) = tokio::join!(
        deliver(&sandbox, &http, &studios),
        blow(&mut fleet, database.pool(), &plan, started)
    );
    let took = started.elapsed();
    let (kills, pauses) = (fleet.kills, fleet.pauses);
    let refused = fleet.finish().await;
    sandbox.stop().await;
    let verdict = checker::check(database.pool(), &ledger, &studios).await;
    database.close().await;
    Report { plan, took, kills, pauses, put_back, refused, verdict }
}

/// Slow answers keep calls under way when the kill comes; lost answers make every purchase doubtful now and then.
fn script_faults(sandbox: &Sandbox, workflows: usize) {
    let lost = u32::try_from(workflows / 20).unwrap_or(u32::MAX);
    for every in 0..lost {
        for path in ["/IncomingPhoneNumbers.json", "/Accounts.json"] {
            let rule = Rule::new(Provider::Twilio, Fault::ResetAfter)
                .method("POST")
                .path_contains(path)
                .skip(every * 19 % 97);
            sandbox.faults().add(rule);
        }
    }
    slow_answers(sandbox);
}

/// Keeps calls under way for a while.
fn slow_answers(sandbox: &Sandbox) {
    for provider in [Provider::Twilio, Provider::Stripe, Provider::Whatsapp] {
        let slow = Rule::new(provider, Fault::Delay { ms: 80 }).times(u32::MAX);
        sandbox.faults().add(slow);
    }
}

async fn register(pool: &PgPool, count: usize) -> Vec<WorkspaceId> {
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

/// Kills and pauses until every run has ended; how many an operator had to put back.
async fn blow(fleet: &mut Fleet, pool: &PgPool, plan: &Plan, started: Instant) -> usize {
    let mut random = Random::new(plan.seed | 1);
    let mut put_back = 0;
    while !all_ended(pool, plan.workflows).await {
        assert!(started.elapsed() < DEADLINE, "the storm is stuck after {DEADLINE:?}");
        put_back += put_back_dead(pool).await;
        fleet.strike(&mut random, pool).await;
    }
    put_back
}

async fn all_ended(pool: &PgPool, workflows: usize) -> bool {
    let (completed, live): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM engine.run_status WHERE status = 'completed'), (SELECT count(*) FROM engine.job)",
    )
    .fetch_one(pool)
    .await
    .expect("the database answers");
    live == 0 && usize::try_from(completed).is_ok_and(|completed| completed == workflows)
}

/// What an operator does with jobs that were set aside: looks, and puts them back.
async fn put_back_dead(pool: &PgPool) -> usize {
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

//! The failover: real worker processes provision studios, the primary dies in the middle of it, and its standby goes on.
//!
//! Checkouts are delivered until they are acknowledged, as Stripe does. With synchronous replication nothing may be lost
//! that was acknowledged. With asynchronous replication the standby is cut off shortly before, and the report says what
//! was lost.

mod pair;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use autopilot_engine::{MIGRATOR, WorkspaceId};
use autopilot_sandbox::{Options, Sandbox};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::block_in_place;

use super::callers::deliver;
use super::fleet::{Crew, Fleet};
use super::{Pace, Verdict, audit, checker, put_back_dead, register, slow_answers, unended};
use crate::Proxy;
use pair::Pair;

/// The database of the run.
const DATABASE: &str = "failover";

/// Checkouts are spread over about so long: runs are under way when the primary dies.
const SPAN: Duration = Duration::from_secs(8);

/// A run that has not ended by then is stuck.
const DEADLINE: Duration = Duration::from_secs(120);

/// Whether commits wait for the standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// They do.
    Synchronous,
    /// They do not.
    Asynchronous,
}

/// What runs.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How many studios are provisioned.
    pub workflows: usize,
    /// How many worker processes there are.
    pub workers: usize,
    /// How the standby follows.
    pub replication: Replication,
    /// Cuts the standby off before the primary dies, until so many more checkouts have been acknowledged.
    pub cut_off: usize,
    /// The program under test.
    pub program: PathBuf,
    /// Where the servers, the ledger and the logs go. What is there is removed.
    pub folder: PathBuf,
}

/// What happened, and what the checker says of it.
#[derive(Debug)]
pub struct Report {
    /// The plan.
    pub plan: Plan,
    /// From the first checkout to the last run's end.
    pub took: Duration,
    /// Checkouts that were acknowledged when the primary died.
    pub acknowledged_before: usize,
    /// From then to the first acknowledgement by the other server.
    pub away: Duration,
    /// What `autopilot doctor` said of commits, while the primary lived.
    pub doctor: String,
    /// Runs that an operator had to put back.
    pub put_back: usize,
    /// What the checker found at the new primary.
    pub verdict: Verdict,
}

/// What there is before the first checkout.
struct Stage {
    pair: Pair,
    url: String,
    primary: PgPool,
    ledger: PathBuf,
    sandbox: Arc<Sandbox>,
    studios: Vec<WorkspaceId>,
}

impl Stage {
    async fn set(plan: &Plan) -> Self {
        drop(std::fs::remove_dir_all(&plan.folder));
        std::fs::create_dir_all(&plan.folder).expect("the folder can be made");
        let pair = Pair::start(&plan.folder, plan.replication).await;
        let url = pair.primary_url(DATABASE);
        let primary = pool(&url).await;
        MIGRATOR.run(&primary).await.expect("the engine's schema is migrated");
        autopilot_workflows::MIGRATOR.run(&primary).await.expect("the studio's schema is migrated");
        audit::watch(&primary).await;
        let ledger = plan.folder.join("ledger.jsonl");
        let mut options = Options::new(&ledger);
        options.subaccount_limit = plan.workflows * 2 + 10;
        let sandbox = Arc::new(Sandbox::start(options).await.expect("the sandbox starts"));
        slow_answers(&sandbox, Pace::Short);
        let studios = register(&primary, plan.workflows).await;
        Self { pair, url, primary, ledger, sandbox, studios }
    }

    /// The processes, which reach the database by this way.
    fn fleet(&self, plan: &Plan, way: &Proxy) -> Fleet {
        let crew = Crew {
            program: plan.program.clone(),
            folder: plan.folder.clone(),
            workers: plan.workers,
            pace: Pace::Short,
            all: Vec::new(),
            each: Vec::new(),
        };
        Fleet::start(crew, &[("DATABASE_URL", &*way.url(&self.url))], &self.sandbox.env())
    }
}

/// Runs a failover from its first checkout to its verdict.
///
/// # Panics
/// When it cannot be run, or does not end; what was lost is in the report.
pub async fn run(plan: Plan) -> Report {
    let mut stage = Stage::set(&plan).await;
    let way = Proxy::start(&stage.url).await;
    let fleet = stage.fleet(&plan, &way);
    let webhooks = format!("http://{}/webhooks/stripe", fleet.http_address().await);
    let doctor = commits(&fleet.ask(&["doctor", "--json"]));

    let started = Instant::now();
    let counter = Arc::new(AtomicUsize::new(0));
    let acknowledged = || counter.load(Ordering::Relaxed);
    let deliveries = deliver(&stage.sandbox, &webhooks, &stage.studios, &counter, SPAN);
    wait(started, "runs are under way", async || {
        acknowledged() >= plan.workflows / 2 && is_busy(&stage.primary).await
    })
    .await;
    if plan.cut_off > 0 {
        stage.pair.cut_off();
        let more = acknowledged() + plan.cut_off;
        wait(started, "more is acknowledged", async || acknowledged() >= more).await;
    }
    block_in_place(|| stage.pair.kill_primary());
    let (died, before) = (Instant::now(), acknowledged());
    assert!(before < plan.workflows, "everything was acknowledged before the primary died");
    block_in_place(|| stage.pair.promote());
    let url = stage.pair.standby_url(DATABASE);
    way.point_to(&url);
    way.reset();
    wait(started, "the other server acknowledges", async || acknowledged() > before).await;
    let away = died.elapsed();
    deliveries.join_all().await;

    let standby = pool(&url).await;
    let put_back = until_idle(&standby, started).await;
    let took = started.elapsed();
    fleet.finish().await;
    if let Some(sandbox) = Arc::into_inner(stage.sandbox) {
        sandbox.stop().await;
    }
    let verdict = checker::check(&standby, &stage.ledger, &stage.studios).await;
    standby.close().await;
    Report { plan, took, acknowledged_before: before, away, doctor, put_back, verdict }
}

/// Waits until nothing is open any more; how many runs had to be put back for that.
async fn until_idle(pool: &PgPool, started: Instant) -> usize {
    let mut put_back = 0;
    wait(started, "nothing is open any more", async || {
        put_back += put_back_dead(pool).await;
        is_idle(pool).await
    })
    .await;
    put_back
}

async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect(url).await.expect("the database answers")
}

/// Waits for a condition of the run.
async fn wait(started: Instant, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    while !condition().await {
        assert!(started.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether some runs have ended and others are in the middle of a step.
async fn is_busy(pool: &PgPool) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM engine.run_status WHERE status = 'completed')
            AND EXISTS (SELECT FROM engine.job WHERE state = 1 AND step IS NOT NULL)",
    )
    .fetch_one(pool)
    .await
    .expect("the database answers")
}

async fn is_idle(pool: &PgPool) -> bool {
    let dead: i64 = sqlx::query_scalar("SELECT count(*) FROM engine.dead_letter")
        .fetch_one(pool)
        .await
        .expect("the database answers");
    dead + unended(pool).await == 0
}

/// What a doctor's answer says of commits.
fn commits(answer: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(answer).expect("doctor answers in JSON");
    let findings = answer.get("findings").and_then(serde_json::Value::as_array).expect("findings");
    let finding = findings.iter().find(|finding| finding.get("check") == Some(&"commits".into()));
    let said = |what| finding.and_then(|finding| finding.get(what)?.as_str()).unwrap_or_default();
    format!("{}: {}", said("verdict"), said("detail"))
}

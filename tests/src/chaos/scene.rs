//! What a trial strikes: real processes that provision studios and take events, on a database, with providers that are slow.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use autopilot_engine::{MIGRATOR, WorkspaceId};
use autopilot_sandbox::{Options, Sandbox};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;

use super::letters::Letters;
use super::{History, Order, Outcome};
use crate::storm::fleet::{Crew, Fleet, Settings};
use crate::storm::{self, Pace, STUCK, audit, callers, checker};

/// What there is to be.
pub(super) struct Stage<'a> {
    /// Where the database is, for us.
    pub(super) url: &'a str,
    /// Where it is for the processes.
    pub(super) way: &'a str,
    pub(super) workers: usize,
    pub(super) studios: usize,
    /// Over about so long they pay.
    pub(super) span: Duration,
    pub(super) pace: Pace,
    pub(super) fence: bool,
    /// Settings of all processes, over the fleet's own.
    pub(super) all: Settings,
}

impl<'a> Stage<'a> {
    /// Three workers on this database, with a fence.
    pub(super) fn new(url: &'a str, studios: usize, span: Duration) -> Self {
        let all = Settings::new();
        Self { url, way: url, workers: 3, studios, span, pace: Pace::Short, fence: true, all }
    }
}

/// A scene that plays.
pub(super) struct Scene {
    pub(super) pool: PgPool,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) fleet: Fleet,
    pub(super) letters: Letters,
    pub(super) studios: Vec<WorkspaceId>,
    history: History,
    ledger: PathBuf,
    acknowledged: Arc<AtomicUsize>,
    webhooks: String,
    deliveries: Vec<JoinSet<()>>,
}

impl Scene {
    /// Starts everything; what each worker is told by itself is known when the sandbox is.
    pub(super) async fn set(
        order: &Order,
        stage: Stage<'_>,
        each: impl AsyncFnOnce(&Sandbox) -> Vec<Settings>,
    ) -> Self {
        let pool = PgPoolOptions::new().max_connections(3).connect(stage.url).await;
        let pool = pool.expect("the database answers");
        MIGRATOR.run(&pool).await.expect("the engine's schema is migrated");
        autopilot_workflows::MIGRATOR.run(&pool).await.expect("the studio's schema is migrated");
        audit::watch(&pool).await;
        if !stage.fence {
            audit::take_the_fence_away(&pool).await;
        }
        let ledger = order.folder.join("ledger.jsonl");
        let mut options = Options::new(&ledger);
        options.subaccount_limit = stage.studios * 2 + 10;
        let sandbox = Arc::new(Sandbox::start(options).await.expect("the sandbox starts"));
        storm::slow_answers(&sandbox, stage.pace);
        let studios = storm::register(&pool, stage.studios).await;
        let crew = Crew {
            program: order.program.clone(),
            folder: order.folder.clone(),
            workers: stage.workers,
            pace: stage.pace,
            all: stage.all,
            each: each(&sandbox).await,
        };
        let fleet = Fleet::start(crew, &[("DATABASE_URL", stage.way)], &sandbox.env());
        let webhooks = format!("http://{}/webhooks/stripe", fleet.http_address().await);
        let acknowledged = Arc::default();
        let deliveries =
            vec![callers::deliver(&sandbox, &webhooks, &studios, &acknowledged, stage.span)];
        let letters = Letters::start(&webhooks);
        let history = order.history.clone();
        Self {
            pool,
            sandbox,
            fleet,
            letters,
            studios,
            history,
            ledger,
            acknowledged,
            webhooks,
            deliveries,
        }
    }

    /// So many more studios pay, now.
    pub(super) async fn more(&mut self, studios: usize) {
        let more = storm::register(&self.pool, studios).await;
        let (sandbox, acknowledged) = (&self.sandbox, &self.acknowledged);
        let span = Duration::ZERO;
        self.deliveries.push(callers::deliver(sandbox, &self.webhooks, &more, acknowledged, span));
        self.studios.extend(more);
    }

    /// Checkouts that were acknowledged so far.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until some runs are under way.
    pub(super) async fn busy(&self) {
        let busy = "SELECT EXISTS (SELECT FROM engine.job WHERE state = 1 AND step IS NOT NULL)";
        autopilot_engine::testing::eventually("runs are under way", async || {
            sqlx::query_scalar(busy).fetch_one(&self.pool).await.unwrap_or(false)
        })
        .await;
    }

    /// Waits until a worker has a lease.
    pub(super) async fn is_registered(&self, index: usize) {
        let pid = self.fleet.pids().get(index).and_then(|pid| i32::try_from(*pid).ok());
        autopilot_engine::testing::eventually("the worker is registered", async || {
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM engine.worker WHERE pid = $1)")
                .bind(pid)
                .fetch_one(&self.pool)
                .await
                .unwrap_or(false)
        })
        .await;
    }

    /// What a query that answers one number says; patient with a server that is away.
    pub(super) async fn number(&self, sql: &'static str) -> i64 {
        let until = Instant::now() + STUCK;
        loop {
            match sqlx::query_scalar(sql).fetch_one(&self.pool).await {
                Ok(number) => return number,
                Err(error) => assert!(Instant::now() < until, "the database is away: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// No more faults: everything that was acknowledged ends within a minute, or is stuck. Then the processes end, and the
    /// checker reads.
    pub(super) async fn judge(mut self, outcome: &mut Outcome) -> PgPool {
        let calm = Instant::now();
        self.history.note("calm", json!({ "acknowledged": self.acknowledged() }));
        let delivering = async {
            for deliveries in &mut self.deliveries {
                while deliveries.join_next().await.is_some() {}
            }
        };
        let delivered = tokio::time::timeout(STUCK + Duration::from_secs(120), delivering).await;
        // The last of those that pay may do so late; the minute counts from the last fault, or from the last payment.
        let paid = Instant::now();
        let answered = self.letters.stop().await;
        let mut put_back = 0;
        while paid.elapsed() < STUCK && open(&self.pool).await > 0 {
            put_back += storm::put_back_dead(&self.pool).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let stuck = open(&self.pool).await;
        let left = if stuck == 0 { Vec::new() } else { storm::left(&self.pool).await };
        let settled = calm.elapsed();
        let refused = self.fleet.finish().await;
        if let Some(sandbox) = Arc::into_inner(self.sandbox) {
            sandbox.stop().await;
        }
        outcome.hold(delivered.is_ok(), || "checkouts were never acknowledged".to_owned());
        outcome.stuck += stuck;
        outcome.hold(stuck == 0, || format!("jobs stuck: {stuck}: {}", left.join("; ")));
        outcome.judge(&checker::check(&self.pool, &self.ledger, &self.studios).await);
        let lost = answered.lost(&self.pool).await;
        outcome.lost += lost;
        outcome.hold(lost == 0, || format!("acknowledged events lost: {lost}"));
        outcome.acknowledged += answered.acknowledged.len() as u64;
        outcome.notes.push(format!(
            "events refused in words {}, not answered {}, longest gap between acknowledgements {:.1} s",
            answered.refused,
            answered.unanswered,
            answered.gap.as_secs_f64()
        ));
        outcome
            .notes
            .push(format!("late writes refused {refused}, put back by an operator {put_back}"));
        outcome.notes.push(format!("settled after {:.1} s", settled.as_secs_f64()));
        self.pool
    }
}

/// Jobs that have not ended, and events that were not handled.
async fn open(pool: &PgPool) -> u64 {
    let open: Result<i64, sqlx::Error> = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM engine.job
                 WHERE run_at <= engine.now() OR kind <> 'studio.check' AND run_at <= engine.now() + interval '2 minutes')
              + (SELECT count(*) FROM engine.dead_letter)",
    )
    .fetch_one(pool)
    .await;
    open.map_or(u64::MAX, i64::unsigned_abs)
}

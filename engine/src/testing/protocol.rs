//! One process, move by move: it claims, beats, runs an attempt and leaves when the test says so, and never by itself.
//!
//! Each move is what the loop of the same name does in one round, statement and all. So a test may put any order of moves of any number
//! of processes beside a model of them; those of the engine itself do.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;

use crate::attempt::{self, Claimed, Stage};
use crate::committer::Committer;
use crate::config::WorkerConfig;
use crate::ids::{JobId, WorkerId};
use crate::lease::{Claim, Lease};
use crate::loops::claim::Claimer;
use crate::loops::judge::{Judge, Limited};
use crate::loops::listen::Waker;
use crate::loops::{heartbeat, rescue, upkeep};
use crate::registry::Registry;
use crate::run;
use crate::runner::{Hand, Ticket};
use crate::worker::{Worker, WorkerError};

/// So many hands may be on their way between two moves.
const HANDS: usize = 64;

/// A process that moves when it is told to.
///
/// It never heeds what it is told of its own end: what it does afterwards is for the database to refuse.
pub struct Protocol<A> {
    worker: Worker<A>,
    pool: PgPool,
    lease: Arc<Lease>,
    claimer: Claimer,
    judge: Judge,
    hands: mpsc::Receiver<Hand>,
    limited: mpsc::Receiver<Vec<Limited>>,
    stage: Stage<A>,
    heart: Option<PgConnection>,
    slots: HashMap<Claim, OwnedSemaphorePermit>,
}

/// A claim as it was handed out. Its attempt may be run at any later time, and more than once.
#[derive(Debug, Clone)]
pub struct HandedOut(Claimed);

/// What a heartbeat says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The jobs and tokens of the claims that are ours no longer; their slots are free.
    pub lost: Vec<(JobId, i64)>,
    /// Another process's lease has run out, or its jobs are not all free yet.
    pub somebody_died: bool,
}

impl HandedOut {
    /// The job.
    #[must_use]
    pub const fn job(&self) -> JobId {
        self.0.claim.job
    }

    /// The token that its attempt writes with.
    #[must_use]
    pub const fn token(&self) -> i64 {
        self.0.claim.token
    }

    /// Which attempt it is, of those that count.
    #[must_use]
    pub const fn attempt(&self) -> i32 {
        self.0.attempt
    }

    /// How many attempts have ended without a word.
    #[must_use]
    pub const fn crashes(&self) -> i32 {
        self.0.crashes
    }
}

impl<A: Send + Sync + 'static> Protocol<A> {
    /// Registers a process, and reads where its claims may start.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn start(
        pool: &PgPool,
        app: Arc<A>,
        registry: Arc<Registry<A>>,
        config: &WorkerConfig,
    ) -> Result<Self, WorkerError> {
        let worker =
            Worker::new(pool.clone(), Arc::clone(&app), Arc::clone(&registry), config.clone());
        let lease = worker.register().await?;
        let (to_begin, hands) = mpsc::channel(HANDS);
        let (to_judge, limited) = mpsc::channel(HANDS);
        let (lives, begins) = (Arc::clone(&lease), to_begin.clone());
        let claimer =
            Claimer::start(pool.clone(), lives, begins, to_judge, registry.kinds(), config).await?;
        let judge = Judge::new(pool, Arc::clone(&lease), to_begin, Arc::default());
        let committer = Committer::start(
            pool.clone(),
            Waker::start(pool.clone()),
            &lease,
            CancellationToken::new(),
        );
        let world = run::World::new(pool.clone(), committer, Arc::clone(&lease), config);
        let stage = Stage { app, world, registry };
        let (heart, slots) = (None, HashMap::new());
        let pool = pool.clone();
        Ok(Self { worker, pool, lease, claimer, judge, hands, limited, stage, heart, slots })
    }

    /// The process, as it stands in rows.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.lease.worker
    }

    /// Looks at every lane, moves the marks and keeps them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn look(&mut self) -> Result<(), sqlx::Error> {
        self.claimer.look().await?;
        self.claimer.keep_moved().await
    }

    /// Claims for every queue with a free slot, and judges those that limits have to allow. Returns those that may begin.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim(&mut self) -> Result<Vec<HandedOut>, sqlx::Error> {
        self.claimer.claim().await?;
        while let Ok(batch) = self.limited.try_recv() {
            self.judge.judge(batch).await;
        }
        let mut begun = Vec::new();
        while let Ok(hand) = self.hands.try_recv() {
            for Ticket { job, slot } in hand {
                self.slots.insert(job.claim, slot);
                begun.push(HandedOut(job));
            }
        }
        Ok(begun)
    }

    /// Runs an attempt from its beginning to its end, whoever owns the job by now.
    pub async fn attempt(&mut self, claim: &HandedOut) {
        let HandedOut(job) = claim;
        let Stage { app, world, registry } = &self.stage;
        let wanted = std::future::pending();
        // Where it ends without a word, its job is another's: the model sees that in the rows.
        let _told = attempt::run(app.as_ref(), world, registry, job.clone(), wanted).await;
        self.let_go(job.claim);
    }

    /// Beats once. `None` when it was declared dead.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn beat(&mut self) -> Result<Option<Beat>, sqlx::Error> {
        let (options, died) = (self.pool.connect_options(), Notify::new());
        if !heartbeat::beat(&options, &mut self.heart, &self.lease, &died).await? {
            return Ok(None);
        }
        let lost = self.lease.lost();
        for claim in &lost {
            self.let_go(*claim);
        }
        let lost = lost.into_iter().map(|claim| (claim.job, claim.token)).collect();
        Ok(Some(Beat { lost, somebody_died: died.notified().now_or_never().is_some() }))
    }

    /// Keeps its marks, gives back what it holds, and leaves.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn leave(&mut self) -> Result<(), sqlx::Error> {
        self.claimer.leave().await;
        self.worker.leave(&self.stage.world.committer, &self.lease).await?;
        for claim in self.lease.held() {
            self.let_go(claim);
        }
        Ok(())
    }

    fn let_go(&mut self, claim: Claim) {
        self.lease.release(claim);
        self.slots.remove(&claim);
    }
}

/// Declares dead whose lease has run out, and frees what the dead held: how many jobs are ready again, and how many were set
/// aside after too many crashes.
///
/// # Errors
/// When the database refuses.
pub async fn rescue(pool: &PgPool) -> Result<(i64, i64), sqlx::Error> {
    let rescued = rescue::run_once(pool).await?;
    Ok((rescued.freed, rescued.quarantined))
}

/// Does what every process does once a minute: goes through limits and pauses.
///
/// # Errors
/// When the database refuses.
pub async fn look_after(pool: &PgPool) -> Result<(), sqlx::Error> {
    upkeep::look_after(pool).await
}

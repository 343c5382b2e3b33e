//! One life of a process, from its registration until it is drained or declared dead: the loops and what runs attempts.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Worker, WorkerError};
use crate::attempt::Stage;
use crate::committer::Committer;
use crate::lease::Lease;
use crate::lock::Locks;
use crate::loops::alarm::Alarm;
use crate::loops::claim::Claimer;
use crate::loops::judge::Judge;
use crate::loops::listen::Waker;
use crate::loops::{cron, heartbeat, listen, rescue, upkeep, vacuum};
use crate::run::World;
use crate::runner::{self, Outlet};
use crate::starter::{Alive, Here};

/// Ends an incarnation when the future that lives it is dropped.
struct EndsWithIt {
    here: Arc<Here>,
    lease: Arc<Lease>,
}

impl Drop for EndsWithIt {
    fn drop(&mut self) {
        self.here.close();
        self.lease.end();
    }
}

/// How one incarnation of a process ended.
pub(super) enum End {
    Drained,
    /// The database had declared it dead: the process goes on as a new incarnation.
    DeclaredDead,
}

impl<A: Send + Sync + 'static> Worker<A> {
    /// One life of the process. Attempts are run here, or go out.
    pub(super) async fn incarnation(
        &self,
        stop: &CancellationToken,
        outlet: Option<&Outlet>,
    ) -> Result<End, WorkerError> {
        upkeep::tend(&self.pool, false).await;
        let lease = self.register().await?;
        // Whoever drops this future drops the process with it: nothing goes on beating, claiming or running.
        let _ended = EndsWithIt { here: Arc::clone(&self.here), lease: Arc::clone(&lease) };
        let somebody_died = Arc::new(Notify::new());
        heartbeat::start(
            self.pool.connect_options().as_ref().clone(),
            Arc::clone(&lease),
            self.config.heartbeat,
            Arc::clone(&somebody_died),
        )?;
        let (hands, inbox) = mpsc::channel(self.slots());
        let (limited, claimed) = mpsc::channel(self.slots());
        let (pool, lives) = (self.pool.clone(), Arc::clone(&lease));
        let kinds = self.registry.kinds();
        let claimer =
            Claimer::start(pool, lives, hands.clone(), limited, kinds, &self.config).await?;
        let alarm = Alarm::new(&self.config);
        let freed = Arc::clone(&alarm.freed);
        let judge = Judge::new(&self.pool, Arc::clone(&lease), hands.clone(), Arc::clone(&freed));
        tokio::spawn(judge.run(claimed));
        let stage = self.stage(&lease, &alarm);
        let alive = Alive {
            committer: stage.world.committer.clone(),
            lease: Arc::clone(&lease),
            hands,
            slots: claimer.slots(),
            claiming: claimer.claiming(),
        };
        let halt = CancellationToken::new();
        let _halted = halt.clone().drop_guard();
        self.here.open(alive);
        self.start_loops(&lease, &alarm, somebody_died, &halt);
        let claiming = tokio::spawn(claimer.run(alarm.clone(), halt.clone()));
        let (returns, returned) = mpsc::unbounded_channel();
        let (own, halted) = (Arc::clone(&stage), halt.clone());
        let running = match outlet {
            None => tokio::spawn(runner::run(own, inbox, returns, freed, halted)),
            Some(outlet) => {
                tokio::spawn(runner::hand_out(own, inbox, outlet.clone(), freed, halted))
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = lease.ended.cancelled() => {}
        }
        self.here.close();
        halt.cancel();
        if !self.registry.schedules().is_empty() {
            cron::let_go(&self.pool, lease.worker).await;
        }
        drop(claiming.await);
        self.drain(&stage, running, returned).await
    }

    /// What the attempts of an incarnation are run with.
    fn stage(&self, lease: &Arc<Lease>, alarm: &Alarm) -> Arc<Stage<A>> {
        let pool = self.pool.clone();
        let waker = Waker::beside(pool.clone(), alarm.clone());
        let committer = Committer::start(pool.clone(), waker, lease, lease.ended.clone());
        let world = World {
            locks: self.locks.clone().unwrap_or_else(|| Locks::new(pool.clone())),
            vault: self.vault.clone(),
            #[cfg(any(test, feature = "testing"))]
            crash_points: self.crash_points.clone(),
            ..World::new(pool, committer, Arc::clone(lease), &self.config)
        };
        Arc::new(Stage { app: Arc::clone(&self.app), registry: Arc::clone(&self.registry), world })
    }

    /// Introduces a new incarnation to the database.
    pub(crate) async fn register(&self) -> Result<Arc<Lease>, sqlx::Error> {
        let lease = Lease::new(self.config.lease, Instant::now(), self.strains.clone());
        let schedules: Vec<String> =
            self.registry.schedules().iter().map(|schedule| schedule.name.clone()).collect();
        let queues: Vec<String> =
            self.config.queues.iter().map(|(queue, _)| queue.clone()).collect();
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
        sqlx::query_file!(
            "sql/worker_register.sql",
            lease.worker.uuid(),
            host,
            i32::try_from(std::process::id()).unwrap_or(0),
            crate::VERSION,
            self.config.lease.as_secs_f64(),
            &self.registry.kinds(),
            &schedules,
            &queues
        )
        .execute(&self.pool)
        .await?;
        tracing::info!(worker = %lease.worker, queues = ?self.config.queues, "worker started");
        Ok(lease)
    }

    fn start_loops(
        &self,
        lease: &Arc<Lease>,
        alarm: &Alarm,
        somebody_died: Arc<Notify>,
        halt: &CancellationToken,
    ) {
        let freed = {
            let work = Arc::clone(&alarm.work);
            move || work.notify_one()
        };
        let strains = || self.strains.clone();
        tokio::spawn(rescue::run(self.pool.clone(), strains(), somebody_died, freed, halt.clone()));
        tokio::spawn(upkeep::run(self.pool.clone(), strains(), halt.clone()));
        let schedules = Arc::from(self.registry.schedules());
        let (pool, vault) = (self.pool.clone(), self.vault.clone());
        let ticking = cron::run(pool, lease.worker, strains(), vault, schedules, halt.clone());
        tokio::spawn(ticking);
        let (lease, after) = (Arc::clone(lease), self.config.vacuum_after);
        tokio::spawn(vacuum::run(self.pool.clone(), lease, after, halt.clone()));
        if self.config.listen {
            tokio::spawn(listen::run(self.pool.clone(), strains(), alarm.clone(), halt.clone()));
        }
    }

    fn slots(&self) -> usize {
        self.config.queues.iter().map(|(_, slots)| slots).sum::<usize>().max(1)
    }
}

//! Runs that wait: what they cost the worker's memory and the database's disk, and a fresh job beside them.

use std::time::Duration;

use autopilot_engine::{Enqueuer, NewJob, ops};
use sqlx::{Connection, PgConnection, PgPool, query, query_scalar};

use crate::Failure;
use crate::arguments::Arguments;
use crate::checks::Checks;
use crate::cost::as_f64;
use crate::jobs::{Noop, Sleeps, Stamped, Waits};
use crate::latency::{monotonic, percentile};
use crate::load::enqueue_all;
use crate::report::{self, count, figure, mebibytes};
use crate::server::{Database, Server, rows};
use crate::workers::{Shape, Workers};

/// Runs and jobs at a time in the process.
const SLOTS: usize = 400;

/// Jobs that the process works off before its memory is looked at for the first time.
const WARM_UP: usize = 5_000;

/// Fresh jobs beside the waiting runs.
const FRESH: usize = 200;

/// Runs that are woken in the end.
const WOKEN: usize = 100;

/// How much a process may grow while runs begin to wait, however many they are: what its allocator keeps.
const GROWTH: u64 = 16 << 20;

/// The process and its database, while runs pile up.
struct Scene {
    database: Database,
    pool: PgPool,
    workers: Workers,
    /// Jobs and runs that have ended.
    ended: usize,
    /// Runs that wait.
    waiting: usize,
}

/// Prints the table.
pub(crate) async fn measure(
    server: &mut Server,
    arguments: &Arguments,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let most: usize = arguments.get("waiting", 100_000)?;
    let mut scene = Scene::set(server).await?;
    let before = scene.workers.resident()?;
    let mut table = vec![scene.row(before).await?];
    for waiting in [most / 100, most / 10, most] {
        scene.wait(waiting).await?;
        table.push(scene.row(before).await?);
        let grown = scene.workers.resident()?.saturating_sub(before);
        checks.at_most(
            &format!("bytes that {waiting} waiting runs add to the process"),
            usize::try_from(grown)?,
            usize::try_from(GROWTH)?,
        );
    }
    scene.wake(checks).await?;
    let picked = scene.workers.stop().await?;
    // Stamped jobs ran one after the other, so they stand in the order of the rows.
    for (row, nanos) in table.iter_mut().zip(picked.chunks(FRESH)) {
        let mut nanos = nanos.to_vec();
        row.push(figure(percentile(&mut nanos, 50)));
        row.push(figure(percentile(&mut nanos, 99)));
    }
    checks.equal("fresh jobs picked up beside waiting runs", picked.len(), FRESH * table.len());
    scene.pool.close().await;
    server.drop(scene.database).await?;
    let note = format!(
        "One process, {SLOTS} slots, after {} jobs as a warm-up. Half of the runs sleep, half wait for an event of \
         their own after a first step. Bytes are of the tables job, step and run with their indexes. The pickup is \
         that of {FRESH} fresh jobs, 30 to 70 ms apart.",
        count(WARM_UP)
    );
    let columns = [
        "runs waiting",
        "RSS",
        "KiB more per 1,000",
        "bytes/run",
        "pickup p50 ms",
        "pickup p99 ms",
    ];
    report::table("Waiting runs", &note, &columns, &table);
    Ok(())
}

impl Scene {
    /// A process that has worked before.
    async fn set(server: &mut Server) -> Result<Self, Failure> {
        let database = server.fresh("waiting").await?;
        let pool = database.pool().await?;
        let shape = Shape { processes: 1, queues: 0, slots: SLOTS };
        let mut workers = Workers::start(&database, shape).await?;
        workers.go().await?;
        let mut conn = PgConnection::connect(database.url.as_str()).await?;
        let workspace = autopilot_engine::WorkspaceId::NONE;
        enqueue_all(&mut conn, WARM_UP, |n| Noop { n, workspace }).await?;
        workers.until_done(WARM_UP).await?;
        while rows(&pool, "engine.job").await? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // What the warm-up has left is no waiting run's.
        query("VACUUM FULL engine.job").execute(&mut conn).await?;
        conn.close().await?;
        Ok(Self { database, pool, workers, ended: WARM_UP, waiting: 0 })
    }

    /// Lets runs begin to wait until there are so many.
    async fn wait(&mut self, until: usize) -> Result<(), Failure> {
        let more = until.saturating_sub(self.waiting);
        let (first, waits) = (self.waiting, more / 2);
        let mut conn = PgConnection::connect(self.database.url.as_str()).await?;
        enqueue_all(&mut conn, more - waits, |n| Sleeps { n: first + n }).await?;
        enqueue_all(&mut conn, waits, |n| Waits { n: first + n }).await?;
        conn.close().await?;
        self.waiting += more;
        let mut best = (0, tokio::time::Instant::now());
        loop {
            let parked = rows(&self.pool, "engine.step WHERE state = 'waiting'").await?;
            let running = rows(&self.pool, "engine.job WHERE state = 1").await?;
            if parked >= self.waiting && running == 0 {
                return Ok(());
            }
            if parked > best.0 {
                best = (parked, tokio::time::Instant::now());
            }
            if best.1.elapsed() > Duration::from_secs(60) {
                return Err(format!("{parked} of {} runs wait and no more do", self.waiting).into());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// A row of the table, but for the pickups, which the process tells in the end.
    async fn row(&mut self, before: u64) -> Result<Vec<String>, Failure> {
        let resident = self.workers.resident()?;
        let bytes: i64 = query_scalar(
            "SELECT sum(pg_total_relation_size('engine.' || name))::bigint
             FROM unnest(ARRAY['job', 'step', 'run']) name",
        )
        .fetch_one(&self.pool)
        .await?;
        self.pick_up().await?;
        let runs = as_f64(self.waiting);
        let more = as_f64(usize::try_from(resident.saturating_sub(before))?);
        let each = |whole: f64| if self.waiting == 0 { f64::NAN } else { whole / runs };
        Ok(vec![
            count(self.waiting),
            mebibytes(resident),
            figure(each(more) * 1_000.0 / 1_024.0),
            figure(each(as_f64(usize::try_from(bytes)?))),
        ])
    }

    /// Enqueues fresh jobs, one after the other.
    async fn pick_up(&mut self) -> Result<(), Failure> {
        let enqueuer = Enqueuer::start(self.pool.clone());
        for _ in 0..FRESH {
            let spread = monotonic().unsigned_abs() / 1_000 % 40;
            tokio::time::sleep(Duration::from_millis(30 + spread)).await;
            let _job = enqueuer.enqueue(NewJob::of(&Stamped { stamp: monotonic() })?).await?;
            self.ended += 1;
        }
        self.workers.until_done(self.ended).await
    }

    /// Wakes some of the runs by their events, and checks that these end and no others.
    async fn wake(&mut self, checks: &mut Checks) -> Result<(), Failure> {
        self.workers.come().await?;
        let events: Vec<String> = query_scalar(
            "SELECT wake_event FROM engine.step WHERE wake_event IS NOT NULL ORDER BY job LIMIT $1",
        )
        .bind(i64::try_from(WOKEN)?)
        .fetch_all(&self.pool)
        .await?;
        let mut woken = 0;
        for event in &events {
            let mut tx = self.pool.begin().await?;
            woken += ops::signal(&mut tx, event).await?;
            tx.commit().await?;
        }
        checks.equal("runs that their events wake", woken, events.len());
        self.ended += woken;
        self.workers.until_done(self.ended).await?;
        while rows(&self.pool, "engine.job WHERE state = 1").await? > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let left = rows(&self.pool, "engine.job").await?;
        checks.equal("runs that go on waiting", left, self.waiting - woken);
        checks.equal("dead letters", rows(&self.pool, "engine.dead_letter").await?, 0);
        Ok(())
    }
}

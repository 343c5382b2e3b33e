//! Jobs at a steady rate, in an open loop.

use std::error::Error;
use std::time::Duration;

use autopilot_engine::{EnqueueError, JobId, NewJob, Waker, enqueue};
use sqlx::PgPool;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::latency::monotonic;
use crate::other::Stamped;

/// A batch at each interval, whether or not the one before is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Feed {
    pub(crate) interval: Duration,
    pub(crate) batch: usize,
    pub(crate) time: Duration,
}

impl Feed {
    /// `--rate` jobs a second for `--seconds`, in batches of 8.
    pub(crate) fn in_eights(arguments: &Arguments, seconds: u64) -> Result<Self, String> {
        let rate: u32 = arguments.get("rate", 800)?;
        if rate == 0 {
            return Err("--rate must be above 0".to_owned());
        }
        let time = Duration::from_secs(arguments.get("seconds", seconds)?);
        Ok(Self { interval: Duration::from_secs(8) / rate, batch: 8, time })
    }

    /// Enqueues stamped jobs; which ones.
    pub(crate) async fn run(&self, pool: &PgPool) -> Result<Vec<JobId>, Box<dyn Error>> {
        self.run_with(pool, |_, due| {
            (0..self.batch).map(|_| NewJob::of(&Stamped { due })).collect()
        })
        .await
    }

    /// Enqueues what `batch` makes for each tick (from 0) and the moment at which it is due.
    pub(crate) async fn run_with(
        &self,
        pool: &PgPool,
        batch: impl Fn(usize, i64) -> Result<Vec<NewJob>, EnqueueError>,
    ) -> Result<Vec<JobId>, Box<dyn Error>> {
        let mut conn = pool.acquire().await?;
        let waker = Waker::start(pool.clone());
        let (begun, stamp) = (Instant::now(), monotonic());
        let (mut sent, mut at, mut tick) = (Vec::new(), Duration::ZERO, 0);
        while at < self.time {
            tokio::time::sleep_until(begun + at).await;
            let jobs = batch(tick, stamp + i64::try_from(at.as_nanos())?)?;
            sent.extend(enqueue(&mut conn, &jobs).await?.into_iter().map(|job| job.id()));
            waker.wake("default");
            at += self.interval;
            tick += 1;
        }
        Ok(sent)
    }
}

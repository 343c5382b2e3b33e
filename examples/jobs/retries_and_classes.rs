//! An error is classified once, where it is born. The class decides: retried with backoff, after the provider's own time, or set
//! aside for a person with the exact next action.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use autopilot_engine::ops::jobs;
use autopilot_engine::{
    Class, Classify, Job, MIGRATOR, NewJob, Registry, Result, Retry, Run, Worker, WorkerConfig,
    enqueue,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// What a carrier may say.
#[derive(Debug, thiserror::Error)]
enum Carrier {
    #[error("the carrier is busy")]
    Busy,
    #[error("the carrier does not know postcode {0}")]
    Postcode(String),
}

impl Classify for Carrier {
    fn class(&self) -> Class {
        match self {
            Self::Busy => Class::RateLimited { retry_after: Some(Duration::from_millis(50)) },
            Self::Postcode(_) => Class::ProvisioningError,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        if matches!(self, Self::Busy) { "carrier_busy".into() } else { "carrier_postcode".into() }
    }

    fn action(&self) -> Option<String> {
        matches!(self, Self::Postcode(_)).then(|| "correct the address, retry the job".to_owned())
    }
}

struct App {
    calls: AtomicU32,
    left: AtomicU32,
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Parcel(String);

impl Job for Parcel {
    type App = App;
    const KIND: &'static str = "example.parcel";
    const RETRY: Retry = Retry::exponential(Duration::from_millis(20)).retries(5);

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let app = run.app;
        run.when_ended(|app, _| {
            if app.left.fetch_sub(1, Ordering::Relaxed) == 1 {
                app.done.cancel();
            }
        });
        if self.0 == "00000" {
            return Err(Carrier::Postcode(self.0.clone()).into());
        }
        if app.calls.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(Carrier::Busy.into());
        }
        println!("sent to {}", self.0);
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    let parcel = |postcode: &str| NewJob::of(&Parcel(postcode.to_owned()));
    let parcels = [parcel("10115")?, parcel("00000")?];
    let enqueued = enqueue(&mut *pool.acquire().await?, &parcels).await?;
    let done = CancellationToken::new();
    // One of them ends twice: once to be retried.
    let app = App { calls: AtomicU32::new(0), left: AtomicU32::new(3), done: done.clone() };
    let registry = Arc::new(Registry::new().register::<Parcel>());
    let worker = Worker::new(pool.clone(), Arc::new(app), registry, WorkerConfig::default());
    worker.run_until(done).await?;
    for job in enqueued {
        let details = jobs::show(&pool, job.id()).await?;
        println!("{} is {}", details.payload, details.job.status);
        for failure in details.failures {
            let action = failure.action.unwrap_or_else(|| "none".to_owned());
            println!("  {} {}: {}; action: {action}", failure.class, failure.code, failure.message);
        }
    }
    Ok(())
}

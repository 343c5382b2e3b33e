//! A durable run: its second step fails at first, and the retry does not repeat the one before.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use autopilot_engine::ops::runs;
use autopilot_engine::{
    Class, Failure, Job, MIGRATOR, NewJob, Planned, Registry, Result, Retry, Run, Stop, Worker,
    WorkerConfig, enqueue,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

struct App {
    calls: AtomicU32,
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Order {
    item: String,
}

impl Job for Order {
    type App = App;
    const KIND: &'static str = "example.order";
    const RETRY: Retry = Retry::exponential(Duration::from_millis(50)).retries(3);
    const STEPS: &'static [Planned] = &[Planned::new("reserve", 40), Planned::new("ship", 60)];

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        // Values flow through `let`; a finished step answers from its checkpoint.
        let reservation: String = run
            .step("reserve", async |at| {
                println!("reserving {} under key {}", self.item, at.key);
                Ok(format!("R-{}", self.item))
            })
            .await?;
        run.step("ship", async |at| {
            if at.app.calls.fetch_add(1, Ordering::Relaxed) == 0 {
                println!("the carrier does not answer");
                let lost = Failure::new(Class::TransientNetwork, "carrier", "no answer");
                return Err(Stop::Failed(lost));
            }
            println!("shipping {reservation} under the same key as before: {}", at.key);
            Ok(())
        })
        .await?;
        run.app.done.cancel();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    let mut conn = pool.acquire().await?;
    let enqueued =
        enqueue(&mut conn, &[NewJob::of(&Order { item: "kettlebell".to_owned() })?]).await?;
    drop(conn);

    let done = CancellationToken::new();
    let app = Arc::new(App { calls: AtomicU32::new(0), done: done.clone() });
    let registry = Arc::new(Registry::new().register::<Order>());
    Worker::new(pool.clone(), app, registry, WorkerConfig::default()).run_until(done).await?;

    for run in enqueued {
        let run = runs::show(&pool, run.id()).await?;
        println!("{} {} %", run.run.status, run.run.percent);
        for failure in run.failures {
            println!("attempt {}: {} {}", failure.attempt, failure.class, failure.message);
        }
    }
    Ok(())
}

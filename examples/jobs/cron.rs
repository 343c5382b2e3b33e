//! A schedule: each tick is one job, however many processes look after it. The cron text is read in a zone, clock changes and all.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;

use autopilot_engine::ops::schedules;
use autopilot_engine::{
    Job, MIGRATOR, Missed, Overlap, Registry, Result, Run, Schedule, Worker, WorkerConfig,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

struct App {
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Report {
    until: i64,
}

impl Job for Report {
    type App = App;
    const KIND: &'static str = "example.report";

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        println!("the report is written");
        run.app.done.cancel();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;

    let nightly =
        |text: &str| Schedule::new("nightly", text, |tick| Report { until: tick.at.timestamp() });
    for wrong in ["30 2 * *", "0 0 31 2 *"] {
        if let Err(error) = nightly(wrong) {
            println!("{error}");
        }
    }
    // In the night in which 02:30 does not exist it ticks at 03:00; in the one in which it comes twice, the first time.
    let nightly =
        nightly("30 2 * * *")?.zone("Europe/Berlin")?.missed(Missed::One).overlap(Overlap::Skip);

    let done = CancellationToken::new();
    let app = Arc::new(App { done: done.clone() });
    let registry = Arc::new(Registry::new().register::<Report>().schedule(nightly));
    let worker = Worker::new(pool.clone(), app, registry, WorkerConfig::default());
    let running = tokio::spawn(worker.run_until(done));
    // Nobody waits for the night in an example: an operator asks for a tick now.
    while schedules::run_now(&pool, "nightly").await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    running.await??;
    for schedule in schedules::list(&pool).await? {
        println!("{}: {} in {}", schedule.name, schedule.cron, schedule.zone);
    }
    Ok(())
}

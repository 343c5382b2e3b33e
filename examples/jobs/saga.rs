//! A saga: each step says how it is undone. The run that fails for good undoes what it has done, the last first, and a crash in
//! between changes nothing of that.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;

use autopilot_engine::ops::runs;
use autopilot_engine::{
    Class, Failure, Job, MIGRATOR, NewJob, Planned, Registry, Result, Run, Stop, Worker,
    WorkerConfig, enqueue,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

struct App {
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Trip {
    to: String,
}

impl Job for Trip {
    type App = App;
    const KIND: &'static str = "example.trip";
    const STEPS: &'static [Planned] =
        &[Planned::new("flight", 40), Planned::new("hotel", 40), Planned::new("car", 20)];

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        run.when_ended(|app, _| app.done.cancel());
        let flight: String = run
            .step("flight", async |_| {
                println!("a flight to {} is booked", self.to);
                Ok("LH 454".to_owned())
            })
            .await?;
        run.compensate("cancel the flight", move |_| async move {
            println!("flight {flight} is cancelled");
            Ok(())
        });
        run.step("hotel", async |_| {
            println!("a room is booked");
            Ok(())
        })
        .await?;
        run.compensate("cancel the room", |_| async {
            println!("the room is cancelled");
            Ok(())
        });
        run.step("car", async |_| {
            let failure = Failure::new(Class::ProvisioningError, "sold_out", "no car is to be had");
            Err::<(), _>(Stop::Failed(failure))
        })
        .await
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    let mut conn = pool.acquire().await?;
    let trip = NewJob::of(&Trip { to: "San Francisco".to_owned() })?;
    let enqueued = enqueue(&mut conn, &[trip]).await?;
    drop(conn);

    let done = CancellationToken::new();
    let app = Arc::new(App { done: done.clone() });
    let registry = Arc::new(Registry::new().register::<Trip>());
    Worker::new(pool.clone(), app, registry, WorkerConfig::default()).run_until(done).await?;
    for run in enqueued {
        let details = runs::show(&pool, run.id()).await?;
        println!("the run is {}", details.run.status);
        for step in details.steps {
            println!("  {}: {}", step.name, step.state);
        }
    }
    Ok(())
}

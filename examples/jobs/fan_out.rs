//! A child for each of a list, three at a time over the whole fleet, and their outputs in order. A child is a job like any other.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;

use autopilot_engine::{
    Class, Failure, Job, MIGRATOR, NewJob, Planned, Registry, Result, Run, Worker, WorkerConfig,
    enqueue,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

struct App {
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Square {
    of: u32,
}

impl Job for Square {
    type App = App;
    const KIND: &'static str = "example.square";

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        if self.of == 4 {
            let failure = Failure::new(Class::ProvisioningError, "four", "4 is a square already");
            return Err(failure.into());
        }
        run.output(&(self.of * self.of))
    }
}

#[derive(Serialize, Deserialize)]
struct Squares {
    up_to: u32,
}

impl Job for Squares {
    type App = App;
    const KIND: &'static str = "example.squares";
    const STEPS: &'static [Planned] = &[Planned::new("squares", 90), Planned::new("sum", 10)];

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let jobs: Vec<Square> = (1..=self.up_to).map(|of| Square { of }).collect();
        let squares: Vec<std::result::Result<u32, String>> = run.each("squares", &jobs, 3).await?;
        let sum: u32 = run
            .step("sum", async |_| Ok(squares.iter().filter_map(|one| one.as_ref().ok()).sum()))
            .await?;
        let refused = squares.iter().filter(|one| one.is_err()).count();
        println!("the sum of the squares is {sum}; {refused} child failed");
        run.app.done.cancel();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    let mut conn = pool.acquire().await?;
    drop(enqueue(&mut conn, &[NewJob::of(&Squares { up_to: 10 })?]).await?);
    drop(conn);

    let done = CancellationToken::new();
    let app = Arc::new(App { done: done.clone() });
    let registry = Arc::new(Registry::new().register::<Square>().register::<Squares>());
    Worker::new(pool, app, registry, WorkerConfig::default()).run_until(done).await?;
    Ok(())
}

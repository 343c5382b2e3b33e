//! The smallest job: a value, a name, and one `run`. It is enqueued in a transaction of ours and runs after the commit.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;

use autopilot_engine::{
    Job, MIGRATOR, NewJob, Registry, Result, Run, Worker, WorkerConfig, enqueue,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// All that a job may touch; here only what stops the program.
struct App {
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

impl Job for Greet {
    type App = App;
    const KIND: &'static str = "example.greet"; // lives in rows: never renamed, never reused

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        println!("hello {}", self.name);
        run.app.done.cancel();
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;

    // The job exists if and only if this transaction commits, together with whatever else is written in it.
    let mut tx = pool.begin().await?;
    let job = NewJob::of(&Greet { name: "world".to_owned() })?.key("the-same-key-greets-once");
    println!("enqueued: {:?}", enqueue(&mut tx, &[job]).await?);
    tx.commit().await?;

    let done = CancellationToken::new();
    let app = Arc::new(App { done: done.clone() });
    let registry = Arc::new(Registry::new().register::<Greet>());
    // A second run of this program finds the key taken and greets nobody; so it does not wait for long.
    let patience = done.clone();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        patience.cancel();
    });
    Worker::new(pool, app, registry, WorkerConfig::default()).run_until(done).await?;
    Ok(())
}

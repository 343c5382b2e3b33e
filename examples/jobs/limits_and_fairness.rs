//! Limits hold over the whole fleet: so many at a time, so many in a time. And workspaces take turns: one that brings a
//! hundred jobs does not hold up one that brings two.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use autopilot_engine::{
    Job, Limit, MIGRATOR, NewJob, Registry, Result, Run, Worker, WorkerConfig, WorkspaceId, enqueue,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

const PAUSE: Duration = Duration::from_millis(100);

struct App {
    left: AtomicU32,
    done: CancellationToken,
}

impl App {
    fn ended(&self) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.done.cancel();
        }
    }
}

/// A message of a pair: one at a time, and one in 100 ms.
#[derive(Serialize, Deserialize)]
struct Message(String);

impl Job for Message {
    type App = App;
    const KIND: &'static str = "example.message";

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::concurrency(&self.0, 1), Limit::rate(&self.0, 1, PAUSE)]
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        run.when_ended(|app, _| app.ended());
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Visit {
    workspace: WorkspaceId,
    who: String,
}

impl Job for Visit {
    type App = App;
    const KIND: &'static str = "example.visit";
    const QUEUE: &'static str = "visits";
    const TURNS: bool = true;

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        if self.who == "small" {
            let many_are_left = run.app.left.load(Ordering::Relaxed) > 50;
            println!("the small studio has its turn; more than 50 are left: {many_are_left}");
        }
        run.when_ended(|app, _| app.ended());
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    let (big, small) = (WorkspaceId::now_v7(), WorkspaceId::now_v7());
    let visit = |workspace, who: &str| NewJob::of(&Visit { workspace, who: who.to_owned() });
    let message = || NewJob::of(&Message("us/member 7".to_owned()));
    let big = std::iter::repeat_with(|| visit(big, "big")).take(100);
    let messages = std::iter::repeat_with(message).take(5);
    let jobs = big.chain([visit(small, "small")]).chain(messages);
    let jobs = jobs.collect::<std::result::Result<Vec<NewJob>, _>>()?;
    drop(enqueue(&mut *pool.acquire().await?, &jobs).await?);

    let done = CancellationToken::new();
    let left = AtomicU32::new(u32::try_from(jobs.len())?);
    let app = Arc::new(App { left, done: done.clone() });
    let registry = Arc::new(Registry::new().register::<Message>().register::<Visit>());
    let queues = vec![("default".to_owned(), 10), ("visits".to_owned(), 1)];
    let config = WorkerConfig { queues, ..WorkerConfig::default() };
    let begun = Instant::now();
    Worker::new(pool, app, registry, config).run_until(done).await?;
    println!("five took their turns in 400 ms or more: {}", begun.elapsed() >= 4 * PAUSE);
    Ok(())
}

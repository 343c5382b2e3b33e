//! The queue behind an apalis worker of your own, with a tower layer of your own. The layer sees every attempt and how it ended;
//! whether and when a job is attempted again stays with the job, as do lease, fence, rescue and drain.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use apalis_core::error::{BoxDynError, WorkerError};
use apalis_core::task::Task;
use apalis_core::worker::builder::WorkerBuilder;
use autopilot_engine::{
    Attempt, Class, Ended, Failure, Job, MIGRATOR, NewJob, Registry, Result, Run, Worker,
    WorkerConfig, enqueue,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

#[derive(Default)]
struct App {
    tried: AtomicBool,
    done: CancellationToken,
}

#[derive(Serialize, Deserialize)]
struct Greet(String);

impl Job for Greet {
    type App = App;
    const KIND: &'static str = "example.greet_behind_apalis";

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        if !run.app.tried.swap(true, Ordering::Relaxed) {
            return Err(Failure::new(Class::TransientNetwork, "no_voice", "cleared throat").into());
        }
        println!("hello {}", self.0);
        run.app.done.cancel();
        Ok(())
    }
}

/// Says how each attempt ended; a layer that counts, times or traces looks the same.
struct Told;
struct Telling<S>(S);

type Ending<T = Ended> = std::result::Result<T, BoxDynError>;

impl<S> Layer<S> for Told {
    type Service = Telling<S>;

    fn layer(&self, inner: S) -> Telling<S> {
        Telling(inner)
    }
}

impl<S> Service<Task<Attempt>> for Telling<S>
where
    S: Service<Task<Attempt>, Response = Ended, Error = BoxDynError, Future: Send + 'static>,
{
    type Response = Ended;
    type Error = BoxDynError;
    type Future = Pin<Box<dyn Future<Output = Ending> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Ending<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, task: Task<Attempt>) -> Self::Future {
        let about = format!("{}, attempt {}", task.args.kind(), task.args.number());
        let attempt = self.0.call(task);
        Box::pin(async move {
            let ended = attempt.await;
            match &ended {
                Ok(ended) => println!("{about}: {ended:?}"),
                Err(error) => println!("{about}: {error}"),
            }
            ended
        })
    }
}

#[tokio::main]
async fn main() -> Ending<()> {
    let pool = sqlx::PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    MIGRATOR.run(&pool).await?;
    enqueue(&mut *pool.acquire().await?, &[NewJob::of(&Greet("world".to_owned()))?]).await?;
    let app = Arc::new(App::default());
    let done = app.done.clone();
    let registry = Arc::new(Registry::new().register::<Greet>());
    let queue = Worker::new(pool, app, registry, WorkerConfig::default()).into_backend();
    let worker = WorkerBuilder::new("greeter").backend(queue).layer(Told).build(Attempt::run);
    let stop = async move {
        done.cancelled().await;
        Ok::<(), WorkerError>(())
    };
    Ok(worker.run_until(stop).await?)
}

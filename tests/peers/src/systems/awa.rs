//! awa: keeps finished jobs; append-only segmented storage, receipts, COPY.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use awa::{
    Client, InsertOpts, InsertParams, JobArgs, JobResult, QueueConfig, QueueStorage,
    QueueStorageConfig, migrations,
};
use serde::{Deserialize, Serialize};
use sqlx08::PgPool;
use sqlx08::postgres::PgPoolOptions;
use tokio::runtime::Handle;

use crate::database::Monitor;
use crate::handler;
use crate::queue::{Goal, Queue};

const QUEUE: &str = "noop";
const STOP_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Serialize, Deserialize, JobArgs)]
struct Noop {
    n: i64,
}

#[derive(Clone)]
pub struct Awa {
    pool: PgPool,
    storage: Arc<QueueStorage>,
    goal: Goal,
}

fn options() -> InsertOpts {
    InsertOpts { queue: QUEUE.to_owned(), ..InsertOpts::default() }
}

/// A zero deadline takes the short path of receipts; from 512 workers on, completion is sharded.
fn queue_config(goal: Goal) -> QueueConfig {
    let (max_workers, claimers) = match goal {
        Goal::Throughput => (1_024, 2),
        Goal::Latency => (256, 1),
    };
    QueueConfig {
        max_workers,
        claimers,
        poll_interval: Duration::from_millis(50),
        deadline_duration: Duration::ZERO,
        ..QueueConfig::default()
    }
}

impl Queue for Awa {
    const SYSTEM: &'static str = "awa";
    const PACKAGE: &'static str = "awa";
    const UNFINISHED: &'static str = ""; // spread over many tables; `unfinished` asks awa
    type Worker = Client;

    fn settings(goal: Goal) -> String {
        let config = queue_config(goal);
        format!(
            "queue storage with receipts (deadline 0), completion batched (512, 1 ms), \
             max_workers {}, claimers {}, claim batch {}, LISTEN/NOTIFY, bulk by \
             QueueStorage::enqueue_params_copy (COPY)",
            config.max_workers, config.claimers, config.claim_batch_size
        )
    }

    async fn connect(url: &str, connections: u32, goal: Goal) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        let storage = QueueStorage::new(QueueStorageConfig::default())?;
        // The future of awa's migrations is not `Send`, so no other thread may take it over.
        tokio::task::block_in_place(|| {
            Handle::current().block_on(async {
                migrations::run(&pool).await?;
                storage.install(&pool).await
            })
        })?;
        Ok(Self { pool, storage: Arc::new(storage), goal })
    }

    async fn enqueue(&self, n: i64) -> Result<()> {
        awa::insert_with(&self.pool, &Noop { n }, options()).await?;
        Ok(())
    }

    async fn enqueue_batch(&self, batch: Vec<i64>) -> Result<()> {
        let jobs = batch
            .into_iter()
            .map(|n| awa::insert::params_with(&Noop { n }, options()))
            .collect::<Result<Vec<InsertParams>, _>>()?;
        self.storage.enqueue_params_copy(&self.pool, &jobs).await?;
        Ok(())
    }

    async fn unfinished(&self, _: &mut Monitor) -> Result<bool> {
        let counts = self.storage.queue_counts(&self.pool, QUEUE).await?;
        Ok(counts.available > 0 || counts.running > 0)
    }

    async fn start_worker(&self) -> Result<Self::Worker> {
        let client = Client::builder(self.pool.clone())
            .queue(QUEUE, queue_config(self.goal))
            .register::<Noop, _, _>(|job, _| async move {
                handler::handle(job.n);
                Ok(JobResult::Completed)
            })
            .build()?;
        client.start().await?;
        Ok(client)
    }

    async fn stop_worker(worker: Self::Worker) -> Result<()> {
        worker.shutdown(STOP_PATIENCE).await;
        Ok(())
    }
}

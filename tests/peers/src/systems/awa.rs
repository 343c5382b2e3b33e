//! awa: keeps finished jobs; append-only segmented storage, receipts, COPY.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
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
    /// How many jobs this process has enqueued.
    enqueued: Arc<AtomicI64>,
}

/// Jobs that have ended, by the counters that awa keeps. Its own `queue_counts` scans all claims,
/// which would slow down what is being measured.
const ENDED: &str = "SELECT (\
     coalesce((SELECT sum(completed_count) FROM awa.receipt_completion_batches), 0) \
     + coalesce((SELECT sum(live_terminal_count) FROM awa.queue_terminal_live_counts), 0) \
     + coalesce((SELECT sum(terminal_delta) FROM awa.queue_terminal_count_deltas), 0) \
     + coalesce((SELECT sum(pruned_completed_count) FROM awa.queue_terminal_rollups), 0) \
     )::bigint";

fn options() -> InsertOpts {
    InsertOpts { queue: QUEUE.to_owned(), ..InsertOpts::default() }
}

/// A zero deadline takes the short path of receipts. More workers or claimers were not faster on
/// two cores.
fn queue_config() -> QueueConfig {
    QueueConfig {
        max_workers: 256,
        poll_interval: Duration::from_millis(50),
        deadline_duration: Duration::ZERO,
        ..QueueConfig::default()
    }
}

impl Queue for Awa {
    const SYSTEM: &'static str = "awa";
    const PACKAGE: &'static str = "awa";
    type Worker = Client;

    fn settings(_: Goal) -> String {
        let config = queue_config();
        format!(
            "queue storage with receipts (deadline 0), completion batched (512, 1 ms), \
             max_workers {}, claimers {}, claim batch {}, LISTEN/NOTIFY, bulk by \
             QueueStorage::enqueue_params_copy (COPY)",
            config.max_workers, config.claimers, config.claim_batch_size
        )
    }

    async fn connect(url: &str, connections: u32, _: Goal) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(connections).connect(url).await?;
        let storage = QueueStorage::new(QueueStorageConfig::default())?;
        // The future of awa's migrations is not `Send`, so no other thread may take it over.
        tokio::task::block_in_place(|| {
            Handle::current().block_on(async {
                migrations::run(&pool).await?;
                storage.install(&pool).await
            })
        })?;
        Ok(Self { pool, storage: Arc::new(storage), enqueued: Arc::default() })
    }

    async fn enqueue(&self, n: i64) -> Result<()> {
        awa::insert_with(&self.pool, &Noop { n }, options()).await?;
        self.enqueued.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn enqueue_batch(&self, batch: Vec<i64>) -> Result<()> {
        let jobs = batch
            .into_iter()
            .map(|n| awa::insert::params_with(&Noop { n }, options()))
            .collect::<Result<Vec<InsertParams>, _>>()?;
        let enqueued = self.storage.enqueue_params_copy(&self.pool, &jobs).await?;
        self.enqueued.fetch_add(i64::try_from(enqueued)?, Ordering::Relaxed);
        Ok(())
    }

    async fn unfinished(&self, _: &mut Monitor) -> Result<bool> {
        let ended: i64 = sqlx08::query_scalar(ENDED).fetch_one(&self.pool).await?;
        Ok(ended < self.enqueued.load(Ordering::Relaxed))
    }

    async fn start_worker(&self) -> Result<Self::Worker> {
        let client = Client::builder(self.pool.clone())
            .queue(QUEUE, queue_config())
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

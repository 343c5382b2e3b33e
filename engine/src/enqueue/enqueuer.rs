//! Group commit for enqueues that own their transaction: all callers of a process hand their jobs to two tasks, which
//! insert whatever waits with one statement and one commit, and answer each after it. No timer: alone, an enqueue costs
//! one commit; under load, a fraction of one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, PgPool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Along, EnqueueError, Enqueued, NewJob, enqueue_and};
use crate::group::Group;
use crate::ids::JobId;
use crate::line::{Broken, Line};
use crate::loops::hints::Hints;

/// So many batches are on their way at a time, each on a connection of its own.
const WRITERS: usize = 2;

/// A batch that waits so long for somebody else's key is taken apart, so that nobody else waits with it.
const PATIENCE: &str = "100ms";

/// The pause before an enqueue whose answer was lost is looked for; it doubles up to a second.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// How long a lost answer is looked for before the caller is told that it is unknown.
const GIVE_UP: Duration = Duration::from_secs(30);

type Answer = oneshot::Sender<Result<Enqueued, EnqueueError>>;
type Waiting = (NewJob, Answer);
type Batch = Vec<Waiting>;

/// Enqueues jobs outside of any transaction of the caller's, many callers with one commit; cheap to clone.
///
/// The workers of other processes are woken along with the commit, so a [`Waker`](crate::Waker) is not needed beside it.
#[derive(Debug, Clone)]
pub struct Enqueuer {
    jobs: mpsc::Sender<Waiting>,
}

impl Enqueuer {
    /// Starts its two tasks, each of which has a connection of its own. They end when every handle is gone.
    #[must_use]
    pub fn start(pool: PgPool) -> Self {
        let (jobs, group) = Group::new();
        let hints = Hints::default();
        for number in 1..=WRITERS {
            let line = Line::patient(&pool, &format!("enqueuer {number}"), PATIENCE);
            let writer = Writer { line, pool: pool.clone(), guard: guard(), hints: hints.clone() };
            tokio::spawn(writer.run(Arc::clone(&group)));
        }
        Self { jobs }
    }

    /// Enqueues a job; it exists, on disk, when this returns.
    ///
    /// A broken connection is mended, and what became of the job is read before it is repeated (L12). Dropping the future
    /// does not take the job back.
    ///
    /// # Errors
    /// When the database refuses the job, or [`EnqueueError::Unknown`] when it stayed away for half a minute.
    pub async fn enqueue(&self, job: NewJob) -> Result<Enqueued, EnqueueError> {
        let (answer, answered) = oneshot::channel();
        if self.jobs.send((job, answer)).await.is_err() {
            return Err(EnqueueError::Unknown);
        }
        answered.await.unwrap_or(Err(EnqueueError::Unknown))
    }
}

/// A key of its own for each task's advisory lock.
fn guard() -> i64 {
    let (_, random) = Uuid::now_v7().as_u64_pair();
    i64::from_ne_bytes(random.to_ne_bytes())
}

struct Writer {
    line: Line,
    pool: PgPool,
    guard: i64,
    hints: Hints,
}

impl Writer {
    async fn run(mut self, group: Arc<Group<Waiting>>) {
        while let Some((batch, _turn)) = group.take().await {
            // What may need a second statement needs a transaction around both.
            let (single, careful): (Batch, Batch) =
                batch.into_iter().partition(|(job, _)| job.unique.is_none());
            self.write(single).await;
            self.write(careful).await;
        }
    }

    /// Inserts a batch and answers, each caller after the commit.
    async fn write(&mut self, batch: Batch) {
        if batch.is_empty() {
            return;
        }
        let hints = self.hints.take(batch.iter().map(|(job, _)| job), &self.pool);
        match self.insert(&batch, &hints).await {
            Ok(answers) => {
                for ((_, answer), enqueued) in batch.into_iter().zip(answers) {
                    reply(answer, Ok(enqueued));
                }
            }
            Err(EnqueueError::Database(error)) if error.breaks_the_line() => {
                tracing::warn!(%error, jobs = batch.len(), "an enqueue's answer was lost, asking what was written");
                self.mend(batch).await;
            }
            Err(_) => self.take_apart(batch),
        }
    }

    async fn insert(
        &mut self,
        batch: &Batch,
        hints: &[String],
    ) -> Result<Vec<Enqueued>, EnqueueError> {
        let jobs: Vec<&NewJob> = batch.iter().map(|(job, _)| job).collect();
        let along =
            Along { guard: Some(self.guard), hints: hints.iter().map(String::as_str).collect() };
        let alone = jobs.iter().all(|job| job.unique.is_none());
        self.line
            .run(async |conn| {
                if alone {
                    return enqueue_and(conn, &jobs, &along).await;
                }
                let mut tx = conn.begin().await?;
                let answers = enqueue_and(&mut tx, &jobs, &along).await?;
                tx.commit().await?;
                Ok(answers)
            })
            .await
    }

    /// Reads what became of a batch, and repeats what never took place (L12).
    async fn mend(&mut self, mut batch: Batch) {
        let begun = Instant::now();
        let mut pause = RETRY_PAUSE;
        while begun.elapsed() < GIVE_UP {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
            let Ok(exist) = self.existing(&batch).await else { continue };
            let (there, missing): (Batch, Batch) =
                batch.into_iter().partition(|(job, _)| exist.contains(&job.id));
            for (job, answer) in there {
                reply(answer, Ok(Enqueued::New(job.id)));
            }
            batch = missing;
            match self.insert(&batch, &[]).await {
                Ok(answers) => {
                    for ((_, answer), enqueued) in batch.into_iter().zip(answers) {
                        reply(answer, Ok(enqueued));
                    }
                    return;
                }
                Err(EnqueueError::Database(error)) if error.breaks_the_line() => {}
                Err(_) => return self.take_apart(batch),
            }
        }
        for (_, answer) in batch {
            reply(answer, Err(EnqueueError::Unknown));
        }
    }

    /// Which jobs of a batch are there. Whoever was writing them has ended when the lock is ours.
    async fn existing(&mut self, batch: &Batch) -> Result<HashSet<JobId>, sqlx::Error> {
        let ids: Vec<Uuid> = batch.iter().map(|(job, _)| job.id.uuid()).collect();
        let guard = self.guard;
        self.line
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                sqlx::query_file!("sql/guard.sql", guard).execute(&mut *tx).await?;
                let found =
                    sqlx::query_file_scalar!("sql/enqueued.sql", &ids).fetch_all(&mut *tx).await?;
                tx.commit().await?;
                Ok(found.into_iter().map(JobId::from).collect())
            })
            .await
    }

    /// Enqueues each job of a refused batch by itself, so that only its own trouble is its own.
    fn take_apart(&self, batch: Batch) {
        for (job, answer) in batch {
            let pool = self.pool.clone();
            tokio::spawn(async move { reply(answer, alone(&pool, &job).await) });
        }
    }
}

async fn alone(pool: &PgPool, job: &NewJob) -> Result<Enqueued, EnqueueError> {
    let mut tx = pool.begin().await?;
    let answers = enqueue_and(&mut tx, &[job], &Along::default()).await?;
    tx.commit().await?;
    answers.into_iter().next().ok_or(EnqueueError::Unknown)
}

fn reply(answer: Answer, result: Result<Enqueued, EnqueueError>) {
    // The caller may have gone away; the job is enqueued all the same.
    drop(answer.send(result));
}

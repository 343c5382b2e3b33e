//! Group commit for deliveries: all requests hand theirs to a few lanes, each of which records whatever waits in one
//! transaction and answers after its commit. No timer: alone, a delivery costs one commit; under load, a fraction of one.
//!
//! What was handed over is recorded even if nobody waits for the answer any more.

use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::{EnqueueError, Strains, Waker};
use autopilot_workflows::webhooks::{self, Delivery, Received};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// While one batch is written, the next one gathers.
const LANES: usize = 2;

/// So many deliveries wait at most; beyond it the requests wait, as long as a request may take.
pub(super) const QUEUE: usize = 256;

/// Deliveries of one batch, at most.
const BATCH: usize = 256;

/// A batch is closed when its bodies have so many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// A batch that waits so long for somebody else's lock is taken apart, so that nobody else waits with it.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a delivery by itself waits for somebody else's lock.
const PATIENCE_ALONE: Duration = Duration::from_secs(5);

/// Deliveries by themselves that are recorded at once: few, for they use the connections of everybody.
const ALONE: usize = 4;

/// A connection that nobody has used for so long is asked whether it is still there.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// The workers are woken at most once in this time: each wake-up is a commit of its own, and under load they look anyway.
const WAKE_PAUSE: Duration = Duration::from_millis(20);

/// How long the last deliveries may take once nothing comes in any more.
const LAST: Duration = Duration::from_secs(2);

/// The delivery may or may not be recorded; it must not be acknowledged. The reason is in the log.
#[derive(Debug)]
pub(super) struct Unrecorded;

type Answer = oneshot::Sender<Result<Received, Unrecorded>>;
type Batch = Vec<(Delivery, Answer)>;

/// Where deliveries are handed over; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Intake {
    queue: mpsc::Sender<(Delivery, Answer)>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Intake {
    /// Starts the lanes, each with a connection of its own; connects to nothing yet. `limit` is the longest that a batch may
    /// take: after it nobody waits for its answer.
    pub(super) fn start(pool: &PgPool, waker: &Waker, limit: Duration, strains: Strains) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        let inbox = Arc::new(Mutex::new(inbox));
        let (wake, owed) = mpsc::channel(1);
        tasks.spawn(wake_workers(waker.clone(), owed));
        let desk = Desk {
            pool: pool.clone(),
            wake,
            limit,
            alone: Arc::new(Semaphore::new(ALONE)),
            tasks: tasks.clone(),
            strains,
        };
        for _ in 0..LANES {
            let lane = Lane { desk: desk.clone(), connection: None, used: Instant::now() };
            tasks.spawn(lane.run(Arc::clone(&inbox), closing.clone()));
        }
        Self { queue, closing, tasks }
    }

    /// Records a delivery; it is on disk, with its job, when this returns. Waits while the queue is full. Dropping the
    /// future does not take a delivery back that was handed over.
    ///
    /// # Errors
    /// When it is not known to be recorded.
    pub(super) async fn record(&self, delivery: Delivery) -> Result<Received, Unrecorded> {
        let (answer, answered) = oneshot::channel();
        if self.closing.is_cancelled() || self.queue.send((delivery, answer)).await.is_err() {
            return Err(Unrecorded);
        }
        answered.await.unwrap_or(Err(Unrecorded))
    }

    /// How many deliveries were handed over and wait for a lane.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Takes nothing more, and returns when all that was handed over is recorded and answered, or when that takes too long.
    pub(crate) async fn close(self) {
        self.closing.cancel();
        self.tasks.close();
        if timeout(LAST, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                "deliveries are left that the database did not take; none was acknowledged"
            );
        }
    }
}

/// What it takes to record deliveries, and to answer.
#[derive(Debug, Clone)]
struct Desk {
    pool: PgPool,
    wake: mpsc::Sender<()>,
    limit: Duration,
    alone: Arc<Semaphore>,
    tasks: TaskTracker,
    strains: Strains,
}

/// One batch at a time.
struct Lane {
    desk: Desk,
    connection: Option<PgConnection>,
    used: Instant,
}

impl Lane {
    async fn run(
        mut self,
        inbox: Arc<Mutex<mpsc::Receiver<(Delivery, Answer)>>>,
        closing: CancellationToken,
    ) {
        while let Some(batch) = gather(&inbox, &closing).await {
            self.write(batch).await;
        }
    }

    /// Records a batch and answers, each request after the commit.
    async fn write(&mut self, batch: Batch) {
        let limit = self.desk.limit;
        let recorded = timeout(limit, self.record(&batch)).await;
        self.desk.note(&recorded);
        match recorded {
            Ok(Ok(received)) => self.desk.answer(batch, &received),
            Ok(Err(error)) if error.is_unknown() => give_up(batch, &error),
            Ok(Err(error)) => {
                tracing::warn!(%error, events = batch.len(), "a batch of events was refused; each is recorded by itself");
                self.desk.take_apart(batch);
            }
            Err(elapsed) => give_up(batch, &elapsed),
        }
    }

    async fn record(&mut self, batch: &Batch) -> Result<Vec<Received>, EnqueueError> {
        let deliveries: Vec<&Delivery> = batch.iter().map(|(delivery, _)| delivery).collect();
        // Taken out meanwhile: a connection that is given up half way is not used again.
        let mut connection = self.connection().await?;
        let recorded = commit(&mut connection, &deliveries, PATIENCE).await;
        if !recorded.as_ref().is_err_and(EnqueueError::is_unknown) {
            self.connection = Some(connection);
            self.used = Instant::now();
        }
        recorded
    }

    async fn connection(&mut self) -> Result<PgConnection, sqlx::Error> {
        if let Some(mut connection) = self.connection.take()
            && (self.used.elapsed() < IDLE || connection.ping().await.is_ok())
        {
            return Ok(connection);
        }
        self.desk.pool.connect_options().connect().await
    }
}

impl Desk {
    fn answer(&self, batch: Batch, received: &[Received]) {
        for ((delivery, _), received) in batch.iter().zip(received) {
            if *received == Received::Unreadable {
                let (provider, digest) = (delivery.provider().name(), delivery.id());
                tracing::warn!(
                    provider,
                    digest,
                    "a signed event cannot be read; it is kept in the inbox"
                );
            }
        }
        if received.iter().any(|received| matches!(received, Received::Enqueued(_))) {
            // Full: a wake-up is owed already.
            self.wake.try_send(()).ok();
        }
        for ((_, answer), received) in batch.into_iter().zip(received) {
            reply(answer, Ok(*received));
        }
    }

    /// Records each delivery of a refused batch by itself, so that only its own trouble is its own.
    fn take_apart(&self, batch: Batch) {
        for single in batch {
            let desk = self.clone();
            self.tasks.spawn(async move {
                let recorded = timeout(desk.limit, desk.record_alone(&single.0)).await;
                desk.note(&recorded);
                match recorded {
                    Ok(Ok(received)) => desk.answer(vec![single], &received),
                    Ok(Err(error)) => give_up(vec![single], &error),
                    Err(elapsed) => give_up(vec![single], &elapsed),
                }
            });
        }
    }

    /// Notes what keeps the database from recording.
    fn note<T>(&self, recorded: &Result<Result<T, EnqueueError>, Elapsed>) {
        if let Ok(Err(EnqueueError::Database(error))) = recorded {
            self.strains.met(error, &self.pool);
        }
    }

    async fn record_alone(&self, delivery: &Delivery) -> Result<Vec<Received>, EnqueueError> {
        // Never closed; if it were, nothing would be worse than without it.
        let _place = self.alone.acquire().await.ok();
        let mut connection = self.pool.acquire().await?;
        commit(&mut connection, &[delivery], PATIENCE_ALONE).await
    }
}

/// Wakes the workers at once, and again after the pause where more came meanwhile.
async fn wake_workers(waker: Waker, mut owed: mpsc::Receiver<()>) {
    while owed.recv().await.is_some() {
        waker.wake(webhooks::QUEUE);
        tokio::time::sleep(WAKE_PAUSE).await;
    }
}

/// What waits, as soon as there is something; nothing when the end has come.
async fn gather(
    inbox: &Mutex<mpsc::Receiver<(Delivery, Answer)>>,
    closing: &CancellationToken,
) -> Option<Batch> {
    let mut inbox = inbox.lock().await;
    let first = tokio::select! {
        first = inbox.recv() => first,
        () = closing.cancelled() => {
            inbox.close();
            inbox.recv().await
        }
    }?;
    // Those that became ready together get a chance to join.
    tokio::task::yield_now().await;
    let mut bytes = first.0.size();
    let mut batch = vec![first];
    while batch.len() < BATCH
        && bytes < BATCH_BYTES
        && let Ok(next) = inbox.try_recv()
    {
        bytes += next.0.size();
        batch.push(next);
    }
    Some(batch)
}

async fn commit(
    connection: &mut PgConnection,
    deliveries: &[&Delivery],
    patience: Duration,
) -> Result<Vec<Received>, EnqueueError> {
    let mut tx = connection.begin().await?;
    let received = webhooks::receive(&mut tx, deliveries, patience).await?;
    tx.commit().await?;
    Ok(received)
}

/// Answers that nothing is known to be recorded. Who sent it delivers again, and the inbox's key makes a duplicate of what was.
fn give_up(batch: Batch, error: &dyn std::fmt::Display) {
    tracing::error!(
        %error,
        events = batch.len(),
        "events are not known to be recorded; their providers deliver them again"
    );
    for (_, answer) in batch {
        reply(answer, Err(Unrecorded));
    }
}

fn reply(answer: Answer, result: Result<Received, Unrecorded>) {
    // The request may have gone away; the delivery is recorded all the same.
    drop(answer.send(result));
}

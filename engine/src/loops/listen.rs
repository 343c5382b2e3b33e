//! Wake-ups between processes. A notification is a hint and never needed: it is sent outside the enqueueing
//! transaction and at most once per queue and short interval, because Postgres serialises the commits of
//! transactions that notify.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::hints::DEBOUNCE;

const CHANNEL: &str = "autopilot";

/// A broken listener tries again after this time; polling goes on meanwhile.
const RECONNECT: Duration = Duration::from_secs(2);

/// Tells other processes that a queue has work; cheap to clone. Call it after the commit.
#[derive(Debug, Clone)]
pub struct Waker {
    queues: mpsc::UnboundedSender<String>,
}

impl Waker {
    /// Starts the task that sends the hints.
    #[must_use]
    pub fn start(pool: PgPool) -> Self {
        let (queues, inbox) = mpsc::unbounded_channel();
        tokio::spawn(send(pool, inbox));
        Self { queues }
    }

    /// A hint that `queue` has work. Never blocks and never fails: without it the next poll finds the work.
    pub fn wake(&self, queue: &str) {
        drop(self.queues.send(queue.to_owned()));
    }
}

/// One hint that `queue` has work, for a program that ends right after its commit.
///
/// It never fails: without it the next poll finds the work.
pub async fn hint(pool: &PgPool, queue: &str) {
    hint_all(pool, &[queue.to_owned()]).await;
}

/// One hint for each of these queues.
pub(crate) async fn hint_all(pool: &PgPool, queues: &[String]) {
    if queues.is_empty() {
        return;
    }
    let sent = sqlx::query_file!("sql/hint.sql", queues).execute(pool);
    if let Err(error) = sent.await {
        tracing::debug!(%error, ?queues, "no hint was sent; the next poll finds the work");
    }
}

async fn send(pool: PgPool, mut inbox: mpsc::UnboundedReceiver<String>) {
    while let Some(first) = inbox.recv().await {
        let mut queues = HashSet::from([first]);
        while let Ok(queue) = inbox.try_recv() {
            queues.insert(queue);
        }
        hint_all(&pool, &Vec::from_iter(queues)).await;
        tokio::time::sleep(DEBOUNCE).await;
    }
}

/// Passes hints for our queues on to the claim loop.
pub(crate) async fn run(
    pool: PgPool,
    queues: Vec<String>,
    work: Arc<Notify>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let listening = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(CHANNEL).await?;
            // What came while nobody listened has to be looked for.
            work.notify_one();
            loop {
                let hint = listener.recv().await?;
                if queues.iter().any(|queue| queue == hint.payload()) {
                    work.notify_one();
                }
            }
        };
        let result: Result<(), sqlx::Error> = tokio::select! {
            result = listening => result,
            () = stop.cancelled() => return,
        };
        if let Err(error) = result {
            tracing::warn!(%error, "listening for wake-ups failed; polling goes on");
        }
        tokio::select! {
            () = tokio::time::sleep(super::jittered(RECONNECT)) => {}
            () = stop.cancelled() => return,
        }
    }
}

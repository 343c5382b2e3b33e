//! Wake-ups between processes. A notification is a hint and never needed: it is sent outside the enqueueing
//! transaction and at most once per queue and short interval, because Postgres serialises the commits of
//! transactions that notify.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const CHANNEL: &str = "autopilot";

/// At most one notification per queue in this time.
const DEBOUNCE: Duration = Duration::from_millis(5);

/// A broken listener tries again after this time; polling goes on meanwhile.
const RECONNECT: Duration = Duration::from_secs(2);

/// Which queues have been hinted at lately, and which are owed a hint.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    sent: HashMap<String, Instant>,
    owed: HashSet<String>,
}

impl Hints {
    /// Those of the queues that may be hinted at now; the others are owed a hint.
    pub(crate) fn take(&mut self, queues: &HashSet<&str>) -> Vec<String> {
        let now = Instant::now();
        let mut due = Vec::new();
        for queue in queues {
            if self.sent.get(*queue).is_none_or(|sent| now.duration_since(*sent) >= DEBOUNCE) {
                self.sent.insert((*queue).to_owned(), now);
                self.owed.remove(*queue);
                due.push((*queue).to_owned());
            } else {
                self.owed.insert((*queue).to_owned());
            }
        }
        due
    }

    /// When the next owed hint is due, if any is owed.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.owed.iter().filter_map(|queue| self.sent.get(queue)).min().map(|sent| *sent + DEBOUNCE)
    }

    /// The owed hints, which are sent now.
    pub(crate) fn take_owed(&mut self) -> Vec<String> {
        let now = Instant::now();
        let owed: Vec<String> = self.owed.drain().collect();
        for queue in &owed {
            self.sent.insert(queue.clone(), now);
        }
        owed
    }
}

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
    let sent = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(queue).execute(pool);
    if let Err(error) = sent.await {
        tracing::debug!(%error, queue, "no hint was sent; the next poll finds the work");
    }
}

async fn send(pool: PgPool, mut inbox: mpsc::UnboundedReceiver<String>) {
    while let Some(first) = inbox.recv().await {
        let mut queues = HashSet::from([first]);
        while let Ok(queue) = inbox.try_recv() {
            queues.insert(queue);
        }
        for queue in &queues {
            hint(&pool, queue).await;
        }
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

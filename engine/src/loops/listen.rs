//! Wake-ups between processes. A notification is a hint and never needed: it is sent outside the enqueueing
//! transaction and at most once per queue and short interval, because Postgres serialises the commits of
//! transactions that notify.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::hints::{DEBOUNCE, Hint, payloads};
use crate::strain::Strains;

const CHANNEL: &str = "autopilot";

/// A broken listener tries again after this time; polling goes on meanwhile.
const RECONNECT: Duration = Duration::from_secs(2);

/// Tells other processes that a queue has work; cheap to clone. Call it after the commit.
#[derive(Debug, Clone)]
pub struct Waker {
    hints: mpsc::UnboundedSender<Hint>,
    /// The claim loop of this process, where it has one.
    own: Option<Alarm>,
}

impl Waker {
    /// Starts the task that sends the hints.
    #[must_use]
    pub fn start(pool: PgPool) -> Self {
        let (hints, inbox) = mpsc::unbounded_channel();
        tokio::spawn(send(pool, inbox));
        Self { hints, own: None }
    }

    /// The same in a process that claims: its own claim loop is told at once, and not by way of the database.
    pub(crate) fn beside(pool: PgPool, own: Alarm) -> Self {
        Self { own: Some(own), ..Self::start(pool) }
    }

    /// A hint at a queue or a job. Never blocks and never fails: without it the next poll finds the work.
    pub fn wake(&self, hint: impl Into<Hint>) {
        let hint = hint.into();
        if let Some(own) = &self.own {
            own.heed(hint.clone());
        }
        drop(self.hints.send(hint));
    }
}

/// One hint at a queue or a job, for a program that ends right after its commit.
///
/// It never fails: without it the next poll finds the work.
pub async fn hint(pool: &PgPool, hint: impl Into<Hint>) {
    send_all(pool, &[hint.into().payload()]).await;
}

/// One hint for what is everybody's in each of these queues.
pub(crate) async fn hint_all(pool: &PgPool, queues: &[String]) {
    send_all(pool, queues).await;
}

/// Sends hints as they are written.
pub(crate) async fn send_all(pool: &PgPool, payloads: &[String]) {
    if payloads.is_empty() {
        return;
    }
    let sent = sqlx::query_file!("sql/hint.sql", payloads).execute(pool);
    if let Err(error) = sent.await {
        tracing::debug!(%error, ?payloads, "no hint was sent; the next poll finds the work");
    }
}

async fn send(pool: PgPool, mut inbox: mpsc::UnboundedReceiver<Hint>) {
    while let Some(first) = inbox.recv().await {
        let mut queues: HashMap<String, HashSet<Hint>> = HashMap::new();
        let mut next = Some(first);
        while let Some(hint) = next {
            queues.entry(hint.queue().to_owned()).or_default().insert(hint);
            next = inbox.try_recv().ok();
        }
        let hints = queues.into_iter().flat_map(|(queue, hints)| payloads(&queue, hints));
        send_all(&pool, &Vec::from_iter(hints)).await;
        tokio::time::sleep(DEBOUNCE).await;
    }
}

/// Passes hints for our queues on to the claim loop.
pub(crate) async fn run(pool: PgPool, strains: Strains, alarm: Alarm, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let listening = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(CHANNEL).await?;
            // What came while nobody listened has to be looked for.
            alarm.work.notify_one();
            loop {
                alarm.heed(Hint::parse(listener.recv().await?.payload()));
            }
        };
        let result: Result<(), sqlx::Error> = tokio::select! {
            result = listening => result,
            () = stop.cancelled() => return,
        };
        if let Err(error) = result {
            strains.met(&error, &pool);
            tracing::warn!(%error, "listening for wake-ups failed; polling goes on");
        }
        tokio::select! {
            () = tokio::time::sleep(super::jittered(RECONNECT)) => {}
            () = stop.cancelled() => return,
        }
    }
}

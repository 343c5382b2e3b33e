//! Many small events beside the checkouts: each is posted until it is acknowledged, and must then be in the inbox.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use autopilot_sandbox::sign;
use chrono::Utc;
use reqwest::{Client, StatusCode};
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::storm::WEBHOOK_SECRET;

/// So many write at a time, each with such a pause after what was acknowledged, and before what was not is posted again.
const WRITERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(40);

/// How long one post may wait for its answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Answered {
    /// The ids of what was acknowledged.
    pub(super) acknowledged: Vec<String>,
    /// Posts that were refused in words, with 5xx.
    pub(super) refused: usize,
    /// What the last of them said.
    pub(super) words: String,
    /// Posts that were not answered at all.
    pub(super) unanswered: usize,
    /// The longest time without an acknowledgement.
    pub(super) gap: Duration,
    last: Option<Instant>,
}

/// Those who write.
pub(super) struct Letters {
    answered: Arc<Mutex<Answered>>,
    stop: CancellationToken,
    writers: JoinSet<()>,
}

impl Letters {
    /// Begins to post.
    pub(super) fn start(url: &str) -> Self {
        autopilot_workflows::integrations::http::install_crypto();
        let client = Client::builder().timeout(PATIENCE).build().expect("a client");
        let (answered, stop) = (Arc::new(Mutex::default()), CancellationToken::new());
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let (client, url) = (client.clone(), url.to_owned());
            let (answered, stop) = (Arc::clone(&answered), stop.clone());
            writers.spawn(async move {
                for number in 0.. {
                    if stop.is_cancelled() {
                        return;
                    }
                    post(&client, &url, format!("evt_letter_{writer}_{number}"), &answered).await;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self { answered, stop, writers }
    }

    /// Looks at what was answered so far.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Answered) -> T) -> T {
        look(&self.answered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets what is under way be acknowledged.
    pub(super) async fn stop(mut self) -> Answered {
        self.stop.cancel();
        while self.writers.join_next().await.is_some() {}
        std::mem::take(&mut *self.answered.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Posts one event, again and again until it is acknowledged. It is of a type that is kept and not acted on.
async fn post(client: &Client, url: &str, id: String, answered: &Mutex<Answered>) {
    let body = json!({
        "id": id, "object": "event", "type": "customer.updated", "created": 1_800_000_000,
        "data": { "object": { "id": "cus_letter", "object": "customer", "description": "x".repeat(900) } },
    })
    .to_string();
    loop {
        let header = sign::stripe(WEBHOOK_SECRET, Utc::now().timestamp(), body.as_bytes());
        let sent = client.post(url).header("stripe-signature", header).body(body.clone()).send();
        let answer = match sent.await {
            Ok(answer) => Some((answer.status(), answer.text().await.unwrap_or_default())),
            Err(_) => None,
        };
        if answered.lock().unwrap_or_else(PoisonError::into_inner).note(&id, answer) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Answered {
    /// Notes an answer; whether it was an acknowledgement.
    fn note(&mut self, id: &str, answer: Option<(StatusCode, String)>) -> bool {
        match answer {
            Some((status, _)) if status.is_success() => {
                let now = Instant::now();
                let since = self.last.map_or(Duration::ZERO, |last| now - last);
                self.gap = self.gap.max(since);
                self.last = Some(now);
                self.acknowledged.push(id.to_owned());
                return true;
            }
            Some((status, words)) if status.is_server_error() => {
                self.refused += 1;
                self.words = words;
            }
            Some(_) | None => self.unanswered += 1,
        }
        false
    }

    /// How many of the acknowledged are not in the inbox.
    pub(super) async fn lost(&self, pool: &PgPool) -> u64 {
        let lost: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM unnest($1::text[]) AS letter(id)
             WHERE NOT EXISTS (SELECT FROM studio.inbox i WHERE i.event_id = letter.id)",
        )
        .bind(&self.acknowledged)
        .fetch_one(pool)
        .await
        .expect("the database answers");
        lost.unsigned_abs()
    }
}

//! The posts: which there are, and sending them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use autopilot_sandbox::sign;
use chrono::Utc;
use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use super::STUDIOS;
use crate::storm::Random;

/// The endpoint's secret.
pub(super) const SECRET: &str = "whsec_the_flood_is_only_a_test";

/// Of a hundred events, so many are posted twice, so many too early, and beside them so many forged ones.
const REPEATED: u64 = 10;
const EARLY: u64 = 5;
const FORGED: u64 = 1;

/// How far an early one is moved to the front, at most.
const FAR: u64 = 200;

/// How long a post that was not acknowledged is tried again.
const PATIENCE: Duration = Duration::from_secs(120);

/// One post.
#[derive(Debug, Clone, Copy)]
pub(super) struct Post {
    number: usize,
    pub(super) is_forged: bool,
    pub(super) is_repeated: bool,
    pub(super) is_early: bool,
}

/// How posts were answered.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// With 2xx.
    pub acknowledged: usize,
    /// With 400: the signature is not right.
    pub refused: usize,
    /// Not with 2xx at first, and posted again, as Stripe does.
    pub again: usize,
    /// Not with 2xx within the patience.
    pub unsettled: usize,
    /// The median and the slowest answer.
    pub p50: Duration,
    /// Of a thousand answers, the slowest but one.
    pub p999: Duration,
    /// The slowest answer.
    pub slowest: Duration,
}

/// Who pays for a studio.
pub(super) fn customer(number: usize) -> String {
    format!("cus_{number}")
}

/// All posts of so many events, in the order in which they are sent.
pub(super) fn posts(events: usize, seed: u64) -> Vec<Post> {
    let mut random = Random::new(seed);
    let mut placed: Vec<(u64, Post)> = Vec::with_capacity(events + events / 8);
    for number in 0..events {
        let place = number as u64 * 2;
        let plain = Post { number, is_forged: false, is_repeated: false, is_early: false };
        let is_early = random.below(100) < EARLY;
        let moved = if is_early { place.saturating_sub(2 * random.below(FAR) + 3) } else { place };
        placed.push((moved, Post { is_early, ..plain }));
        if random.below(100) < REPEATED {
            let later = place + random.below(2 * FAR);
            placed.push((later, Post { is_repeated: true, ..plain }));
        }
        if random.below(100) < FORGED {
            placed.push((place, Post { is_forged: true, ..plain }));
        }
    }
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, post)| post).collect()
}

impl Post {
    fn body(&self) -> String {
        let (number, what) = (self.number, if self.is_forged { "forged" } else { "evt" });
        let object = json!({
            "id": format!("in_{number}"), "object": "invoice", "customer": customer(number % STUDIOS), "amount_paid": 9900,
            "currency": "eur", "description": "x".repeat(700),
        });
        json!({ "id": format!("{what}_{number}"), "object": "event", "type": "invoice.paid", "created": 1_800_000_000 + number, "data": { "object": object } })
            .to_string()
    }

    fn secret(&self) -> &'static str {
        if self.is_forged { "whsec_guessed" } else { SECRET }
    }
}

/// How one post went.
enum Went {
    Acknowledged,
    Refused,
    Unsettled,
}

/// Sends all posts, so many at once.
pub(super) async fn send(address: &str, posts: Arc<[Post]>, connections: usize) -> Answers {
    let (next, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let client = Client::builder().pool_max_idle_per_host(connections).build().expect("a client");
    let url = format!("http://{address}/webhooks/stripe");
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        let (posts, next, again) = (Arc::clone(&posts), Arc::clone(&next), Arc::clone(&again));
        let (client, url) = (client.clone(), url.clone());
        senders.spawn(async move {
            let (mut answers, mut times) = (Answers::default(), Vec::new());
            while let Some(post) = posts.get(next.fetch_add(1, Ordering::Relaxed)) {
                let began = Instant::now();
                match one(&client, &url, *post, &again).await {
                    Went::Acknowledged => answers.acknowledged += 1,
                    Went::Refused => answers.refused += 1,
                    Went::Unsettled => answers.unsettled += 1,
                }
                times.push(began.elapsed());
            }
            (answers, times)
        });
    }
    let (mut all, mut times) = (Answers::default(), Vec::new());
    for (answers, own) in senders.join_all().await {
        all.acknowledged += answers.acknowledged;
        all.refused += answers.refused;
        all.unsettled += answers.unsettled;
        times.extend(own);
    }
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    all.again = again.load(Ordering::Relaxed);
    (all.p50, all.p999, all.slowest) =
        (at(500), at(999), times.last().copied().unwrap_or_default());
    all
}

/// One post, again and again until it is acknowledged or refused for good.
async fn one(client: &Client, url: &str, post: Post, again: &AtomicUsize) -> Went {
    let (body, until) = (post.body(), Instant::now() + PATIENCE);
    loop {
        let header = sign::stripe(post.secret(), Utc::now().timestamp(), body.as_bytes());
        let sent = client.post(url).header("stripe-signature", header).body(body.clone()).send();
        match sent.await.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => return Went::Acknowledged,
            Ok(StatusCode::BAD_REQUEST) => return Went::Refused,
            Ok(_) | Err(_) if Instant::now() > until => return Went::Unsettled,
            Ok(_) | Err(_) => {
                again.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await; // As long as a hurried provider might wait.
            }
        }
    }
}

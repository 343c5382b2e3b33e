//! T6: the network between a worker and its database: a black hole, half open, a byte a second, and cut during COMMIT.
//!
//! The worker's way to the providers is open all the while: what it sends there after others have declared it dead is an overlap.

use std::pin::Pin;
use std::time::{Duration, Instant};

use autopilot_engine::MIGRATOR;
use autopilot_engine::testing::{TestDatabase, eventually};
use autopilot_sandbox::Sandbox;
use serde_json::json;
use sqlx::PgPool;

use super::scene::{Scene, Stage};
use super::{Order, Outcome};
use crate::storm::fleet::Settings;
use crate::storm::{Random, audit};
use crate::{Cut, Proxy, Way};

/// Two leases of the storm's.
const AWAY: Duration = Duration::from_secs(6);

/// Studios that keep the workers busy for one round.
const BUSY: usize = 60;

/// So often a network is cut that no write has come through late yet.
const WITHIN_REASON: usize = 40;

pub(super) fn network(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    let rounds = order.many(3, 1);
    Box::pin(cut_off(order, rounds, true))
}

/// Without the fence, and with a network that comes back while others are at the same jobs. Few writes are under way when it is cut, so it is
/// cut until one was late, within reason.
pub(super) fn no_fence(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(cut_off(order, WITHIN_REASON, false))
}

/// The worker that is cut off: its ways, and its process.
struct Lonely<'a> {
    database: &'a Proxy,
    providers: &'a Proxy,
    pool: &'a PgPool,
    pid: i32,
}

async fn cut_off(order: Order, rounds: usize, fence: bool) -> Outcome {
    let database = TestDatabase::create(&[&MIGRATOR, &autopilot_workflows::MIGRATOR]).await;
    let url = database.url();
    let (way, lonely_way) = (Proxy::start(&url).await, Proxy::start(&url).await);
    let ways = if fence { vec![Way::Closed, Way::Deaf, Way::Trickle] } else { vec![Way::Closed] };
    // Without a fence nobody knows how many rounds there will be: each brings its own studios.
    let planned = if fence { rounds } else { 1 };
    let steps = u32::try_from(planned * ways.len()).unwrap_or(1);
    let through = way.url(&url);
    let mut stage = Stage::new(&url, planned * BUSY, AWAY * steps * 4 / 3);
    (stage.way, stage.fence) = (&through, fence);
    // Without a fence there are slots for all that is freed, so that others are at it when the network comes back.
    stage.workers = if fence { 3 } else { 5 };
    let mut providers = None;
    let mut scene = Scene::set(&order, stage, async |sandbox| {
        let (proxy, own) = ways_of_its_own(sandbox, lonely_way.url(&url)).await;
        providers = Some(proxy);
        vec![own]
    })
    .await;
    let providers = providers.expect("the way to the providers");
    let pid = scene.fleet.pids().first().copied().and_then(|pid| i32::try_from(pid).ok());
    let (pid, pool) = (pid.expect("a worker"), scene.pool.clone());
    let lonely = Lonely { database: &lonely_way, providers: &providers, pool: &pool, pid };
    scene.busy().await;
    if !fence {
        audit::answer_beats_late(&scene.pool).await;
    }
    let mut outcome = Outcome::default();
    let (mut random, mut times, mut overlaps) = (Random::new(order.seed | 1), 0, 0);
    for round in 0..rounds {
        if !fence && round > 0 && !another_round(&mut scene).await {
            break;
        }
        for kind in &ways {
            // The trial's own rhythm.
            tokio::time::sleep(Duration::from_millis(500 + random.below(1_500))).await;
            let sent = lonely.leave(*kind, fence).await;
            let said = json!({ "way": format!("{kind:?}"), "sent after it was dead": sent });
            order.history.note("cut off", said);
            times += 1;
            overlaps += u64::from(sent > 0);
        }
    }
    let mut cuts = 0;
    if fence {
        cuts = commits(&[&way, &lonely_way], rounds * 20).await;
        order.history.note("cut in COMMIT", json!({ "cuts": cuts }));
    }
    outcome.faults = vec![("times cut off", times), ("cut in COMMIT", cuts)];
    outcome.hold(overlaps == 0, || format!("overlaps: {overlaps}"));
    outcome.notes.push(format!("overlaps {overlaps}"));
    scene.judge(&mut outcome).await.close().await;
    if fence {
        outcome.hold(cuts > 0, || "no COMMIT was cut".to_owned());
        outcome.notes.push(format!("unknown commits resolved {cuts}"));
    }
    pool.close().await;
    database.close().await;
    outcome
}

/// Whether no write was late so far; then there are more studios to be busy with.
async fn another_round(scene: &mut Scene) -> bool {
    let none = scene.number("SELECT count(*) FROM audit.stale_write").await == 0;
    if none {
        scene.more(BUSY).await;
    }
    none
}

/// What a worker is told that reaches this database and has a way of its own to the providers; and that way.
async fn ways_of_its_own(sandbox: &Sandbox, database: String) -> (Proxy, Settings) {
    let address = sandbox.base_url().trim_start_matches("http://").to_owned();
    let proxy = Proxy::before(address.clone()).await;
    let by_proxy = format!("127.0.0.1:{}", proxy.port());
    let env = sandbox.env().into_iter().filter(|(_, value)| value.contains(&address));
    let mut own: Settings =
        env.map(|(name, value)| (name, value.replace(&address, &by_proxy))).collect();
    own.push(("DATABASE_URL".to_owned(), database));
    (proxy, own)
}

impl Lonely<'_> {
    /// Cuts the worker off until others have declared it dead, and for two leases; or, where it is to write late, until another is
    /// at one of its jobs. How many bytes it sent to providers after it was dead.
    async fn leave(&self, kind: Way, for_long: bool) -> u64 {
        eventually("it has a lease", async || self.lives().await).await;
        let began = Instant::now();
        self.database.lead(kind);
        eventually("others declare it dead", async || !self.lives().await).await;
        let before = self.providers.heard();
        while began.elapsed() < AWAY && (for_long || !self.is_superseded().await) {
            tokio::time::sleep(Duration::from_millis(5)).await; // How long the fault lasts.
        }
        let sent = self.providers.heard() - before;
        self.database.lead(Way::Open);
        if kind != Way::Closed {
            self.database.reset();
        }
        eventually("it is back", async || self.lives().await).await;
        sent
    }

    /// Whether others run all that this one ran and that has not ended.
    async fn is_superseded(&self) -> bool {
        let superseded = sqlx::query_scalar(
            "SELECT coalesce(bool_and(j.state = 1), false) FROM audit.freed f JOIN engine.job j ON j.id = f.job
             WHERE f.pid = $1 AND f.crashed",
        );
        superseded.bind(self.pid).fetch_one(self.pool).await.expect("the database answers")
    }

    async fn lives(&self) -> bool {
        let lives = sqlx::query_scalar("SELECT EXISTS (SELECT FROM engine.worker WHERE pid = $1)");
        lives.bind(self.pid).fetch_one(self.pool).await.expect("the database answers")
    }
}

/// Cuts connections during COMMIT, before and after it took place, until there were so many cuts or nothing is committed any more.
async fn commits(ways: &[&Proxy], enough: usize) -> usize {
    let cuts = || ways.iter().map(|way| way.cuts()).sum::<usize>();
    let mut quiet = Instant::now();
    while cuts() < enough && quiet.elapsed() < Duration::from_secs(5) {
        let before = cuts();
        for way in ways {
            way.arm(if before % 2 == 0 { Cut::answer_of_commit() } else { Cut::commit() });
        }
        let until = Instant::now() + Duration::from_millis(500);
        while cuts() == before && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if cuts() > before {
            quiet = Instant::now();
        }
        for way in ways {
            way.disarm();
        }
    }
    cuts()
}

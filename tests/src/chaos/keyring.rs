//! T21: the key that seals is changed while workers are killed: a second one is given to all, then it seals, then the data keys
//! are wrapped with it, then the first one goes.

use std::pin::Pin;
use std::time::Duration;

use autopilot_engine::MIGRATOR;
use autopilot_engine::secrets::{Keyring, Vault, VaultError};
use autopilot_engine::testing::{TestDatabase, eventually};
use serde_json::json;
use sqlx::PgPool;

use super::scene::{Scene, Stage};
use super::{Order, Outcome};
use crate::storm::Random;

type Running = Pin<Box<dyn Future<Output = Outcome>>>;

const OLD: &str = "old:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=";
const NEW: &str = "new:d0SOycqKMP5FZNGXU4YatJpKUASdeYwOFk7DjJyTPHo=";

const WORKERS: usize = 3;

/// What a process says that cannot open what it must.
const COMPLAINTS: [&str; 4] =
    ["lacks key", "does not open", "no longer has the key", "sealed value"];

pub(super) fn rotation(order: Order) -> Running {
    Box::pin(rotate(order, true))
}

/// The old key goes while it is needed.
pub(super) fn not_rewrapped(order: Order) -> Running {
    Box::pin(rotate(order, false))
}

async fn rotate(order: Order, rewrap: bool) -> Outcome {
    let database = TestDatabase::create(&[&MIGRATOR, &autopilot_workflows::MIGRATOR]).await;
    let url = database.url();
    let studios = order.many(100, 8);
    let span = order.time(45).max(Duration::from_secs(3));
    let mut stage = Stage::new(&url, studios, span);
    let both = [OLD, NEW].join(",");
    // Whoever takes webhooks is not restarted; it has both from the beginning.
    stage.all = told(&both);
    let mut scene = Scene::set(&order, stage, async |_| vec![told(OLD); WORKERS]).await;
    scene.busy().await;
    let mut random = Random::new(order.seed | 1);
    let mut outcome = Outcome::default();
    let promoted = [NEW, OLD].join(",");
    for ring in [OLD, &both, &promoted] {
        deploy(&mut scene, &order, ring, &mut random).await;
    }
    scene.more(4).await;
    eventually("something is sealed with the new key", async || {
        wrapped(&scene.pool, "new").await > 0
    })
    .await;
    let old = wrapped(&scene.pool, "old").await;
    outcome.hold(old > 0, || "nothing was sealed with the old key: nothing is shown".to_owned());
    if rewrap {
        let said = scene.fleet.ask_with(&told(&promoted), &["keys", "rewrap"]);
        outcome.notes.push(said.lines().next().unwrap_or("`keys rewrap` said nothing").to_owned());
    }
    match open(&scene.pool, NEW).await {
        Ok(_vault) => deploy(&mut scene, &order, NEW, &mut random).await,
        Err(refused) => {
            outcome.violations.push(refused.to_string());
            return outcome;
        }
    }
    outcome.faults.push(("kills", scene.fleet.kills));
    for complaint in COMPLAINTS {
        let saying = scene.fleet.logs_saying(complaint);
        outcome.hold(saying == 0, || format!("{saying} processes said \"{complaint}\""));
    }
    let pool = scene.judge(&mut outcome).await;
    let left = wrapped(&pool, "old").await;
    outcome.hold(left == 0, || format!("{left} data keys are wrapped by the old key"));
    outcome.notes.push(format!("{} by the new key at the end", wrapped(&pool, "new").await));
    pool.close().await;
    database.close().await;
    outcome
}

fn told(ring: &str) -> Vec<(String, String)> {
    vec![("ENCRYPTION_KEY".to_owned(), ring.to_owned())]
}

/// Each worker is killed and started again with these keys, in some order; in a long run once more.
async fn deploy(scene: &mut Scene, order: &Order, ring: &str, random: &mut Random) {
    let ids: Vec<&str> = ring.split(',').filter_map(|pair| pair.split(':').next()).collect();
    order.history.note("deploys", json!({ "keys": ids }));
    let first = usize::try_from(random.below(WORKERS as u64)).unwrap_or_default();
    let kills = order.many(2, 1) * WORKERS;
    for place in (first..first + kills).map(|place| place % WORKERS) {
        scene.fleet.tell(place, told(ring));
        let pool = scene.pool.clone();
        scene.fleet.kill(place, &pool).await;
        scene.is_registered(place).await;
        tokio::time::sleep(order.time(1).mul_f64(0.5) + Duration::from_millis(random.below(300)))
            .await;
    }
}

async fn open(pool: &PgPool, ring: &str) -> Result<Vault, VaultError> {
    let keyring = Keyring::parse(&ring.into()).expect("the keys are keys");
    Vault::open(pool, keyring).await
}

/// The data keys that this one wraps.
async fn wrapped(pool: &PgPool, id: &str) -> i64 {
    let count = "SELECT count(*) FROM engine.data_key WHERE kek = $1";
    sqlx::query_scalar(count).bind(id).fetch_one(pool).await.expect("the database answers")
}

//! T5: connections that are terminated, of which the server has none left, and that all wait for one lock.

use std::pin::Pin;
use std::time::{Duration, Instant};

use autopilot_engine::Strain;
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};

use super::scene::{Scene, Stage};
use super::{Order, Outcome};
use crate::server::Server;
use crate::storm::Random;

/// Lines of log that a process may write in a second of trouble: more is a busy loop.
const LINES: f64 = 20.0;

/// Without a connection for so long, a process has said so.
const SAID: Duration = Duration::from_secs(30);

const TERMINATE: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE application_name LIKE 'autopilot/%' AND pid % 3 = ANY ($1)";

/// The longest time in which nobody claimed anything, in seconds.
const GAP: &str = "SELECT coalesce(max(extract(epoch FROM at - before)), 0)::float8
    FROM (SELECT at, lag(at) OVER (ORDER BY at) AS before FROM audit.claimed) claims";

pub(super) fn connections(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(trouble(order))
}

async fn trouble(order: Order) -> Outcome {
    let server = Server::start(&order.folder, &[("max_connections", "60")]).await;
    let part = order.time(15).max(Duration::from_secs(2));
    let mut stage = Stage::new(&server.url, order.many(150, 12), part * 3);
    // So that there is room for all where nobody takes it away.
    stage.all = vec![("AUTOPILOT__DATABASE__MAX_CONNECTIONS".to_owned(), "6".to_owned())];
    let scene = Scene::set(&order, stage, async |_| Vec::new()).await;
    scene.busy().await;
    let (began, before) = (Instant::now(), scene.fleet.log_lines());
    let mut terminated = terminate_some(&scene, &order, part).await;
    let taken = take_all(&scene, &server, part).await;
    terminated += taken.terminated;
    order.history.note("taken", json!({ "connections": taken.hogs, "refusals": taken.refusals }));
    order.history.note("locked", json!({}));
    lock(&scene.pool, part).await;

    let lines = scene.fleet.log_lines() - before;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = lines as f64 / began.elapsed().as_secs_f64() / 4.0;
    let mut outcome = Outcome {
        faults: vec![
            ("terminated connections", usize::try_from(terminated).unwrap_or_default()),
            ("connections taken by others", taken.hogs),
            ("lock on the queue and the inbox", 1),
        ],
        ..Outcome::default()
    };
    outcome.hold(taken.refusals > 0, || "the server never ran out of connections".to_owned());
    let tell = says_full(&scene);
    outcome.hold(tell > 0, || "no process said that the server has no connection left".to_owned());
    outcome.notes.push(format!("{tell} processes said which it was"));
    outcome.hold(rate <= LINES, || format!("{rate:.1} lines of log a second and process"));
    outcome.notes.push(format!("{rate:.1} lines of log a second and process"));
    let pool = scene.judge(&mut outcome).await;
    let gap: f64 = sqlx::query_scalar(GAP).fetch_one(&pool).await.expect("the database answers");
    outcome.notes.push(format!("longest gap between claims {gap:.1} s"));
    pool.close().await;
    drop(server);
    outcome
}

/// Terminates a third of the processes' connections now and then; how many it were.
async fn terminate_some(scene: &Scene, order: &Order, part: Duration) -> i64 {
    let mut random = Random::new(order.seed | 1);
    let (began, mut terminated) = (Instant::now(), 0);
    while began.elapsed() < part {
        tokio::time::sleep(Duration::from_millis(200 + random.below(300))).await;
        let third = i32::try_from(random.below(3)).unwrap_or_default();
        let count = terminate(&scene.pool, &[third]).await;
        order.history.note("terminated", json!({ "third": third, "connections": count }));
        terminated += count;
    }
    terminated
}

/// What came of taking all connections.
#[derive(Default)]
struct Taken {
    hogs: usize,
    refusals: usize,
    terminated: i64,
}

/// Takes all connections that there are, also those that the processes lose then; until one of them says that there are
/// none. Whoever is quick gets one back in between, and has lost it again at the next refusal.
async fn take_all(scene: &Scene, server: &Server, part: Duration) -> Taken {
    let (mut hogs, mut taken) = (Vec::new(), Taken::default());
    let mut since: Option<Instant> = None;
    let is_over = |since: Instant| {
        let time = since.elapsed();
        time >= part && (time >= SAID || says_full(scene) > 0)
    };
    while since.is_none_or(|since| !is_over(since)) {
        match PgConnection::connect(&server.url).await {
            Ok(connection) => hogs.push(connection),
            Err(_) => {
                since.get_or_insert_with(Instant::now);
                taken.refusals += 1;
                taken.terminated += terminate(&scene.pool, &[0, 1, 2]).await;
                tokio::time::sleep(Duration::from_millis(20)).await; // The fault's own rhythm.
            }
        }
    }
    taken.hogs = hogs.len();
    taken
}

/// How many processes have said that the server has no connection left.
fn says_full(scene: &Scene) -> usize {
    scene.fleet.logs_saying(Strain::FullServer.name())
}

/// Lets everybody wait for the queue and the inbox.
async fn lock(pool: &PgPool, part: Duration) {
    let mut lock = pool.begin().await.expect("the database answers");
    // Where both wait for each other, it is not the lock that gives way.
    let take = "SET LOCAL deadlock_timeout = '1min';
                LOCK TABLE engine.job, studio.inbox IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(take).execute(&mut *lock).await.expect("the tables are locked");
    tokio::time::sleep(part).await; // How long the fault lasts.
    lock.rollback().await.expect("the tables are free");
}

async fn terminate(pool: &PgPool, thirds: &[i32]) -> i64 {
    let count = sqlx::query_scalar(TERMINATE).bind(thirds).fetch_one(pool).await;
    count.expect("the database answers")
}

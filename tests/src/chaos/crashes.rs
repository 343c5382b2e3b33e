//! T4: the database server dies every few seconds, and nothing that was acknowledged is lost.

use std::pin::Pin;
use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use super::scene::{Scene, Stage};
use super::{Order, Outcome};
use crate::server::Server;
use crate::storm::{Pace, Random};

/// From the moment when the server was ready again to the first sign of life of each process, in milliseconds.
const RECONNECTED: &str = "
SELECT (extract(epoch FROM first.at - s.at) * 1000)::float8
FROM audit.struck s
CROSS JOIN unnest($1::integer[]) AS process(pid)
CROSS JOIN LATERAL (SELECT min(b.at) AS at FROM audit.beat b WHERE b.pid = process.pid AND b.at > s.at) first
WHERE s.how = 'ready' AND first.at IS NOT NULL ORDER BY 1";

/// A durable server.
pub(super) fn crashes(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    let crashes = order.many(12, 1);
    Box::pin(crash(order, crashes, &[]))
}

/// One whose commits do not wait for the disk.
pub(super) fn not_durable(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    let settings = &[("synchronous_commit", "off"), ("wal_writer_delay", "10000")];
    let crashes = order.many(3, 1);
    Box::pin(crash(order, crashes, settings))
}

async fn crash(
    order: Order,
    crashes: usize,
    settings: &'static [(&'static str, &'static str)],
) -> Outcome {
    let mut server = Server::start(&order.folder, settings).await;
    let url = server.url.clone();
    let span = Duration::from_secs(9).mul_f64(f64::from(u32::try_from(crashes).unwrap_or(1)));
    let mut stage = Stage::new(&url, crashes * 15, span);
    stage.pace = Pace::Production;
    // Its leases and beats; a beat tells that a process is back.
    stage.all = vec![("AUTOPILOT__WORKER__HEARTBEAT_INTERVAL".to_owned(), "500ms".to_owned())];
    let scene = Scene::set(&order, stage, async |_| Vec::new()).await;
    scene.busy().await;
    let mut random = Random::new(order.seed | 1);
    let mut kills = 0;
    for _ in 0..crashes {
        // The trial's own rhythm.
        tokio::time::sleep(Duration::from_millis(5_000 + random.below(5_000))).await;
        let by_kill = random.below(2) == 0;
        kills += usize::from(by_kill);
        let acknowledged = scene.acknowledged();
        order.history.note("crash", json!({ "kill": by_kill, "acknowledged": acknowledged }));
        server.crash(by_kill);
        server.restart();
        scene.number("WITH ready AS (INSERT INTO audit.struck (pid, how) VALUES (0, 'ready') RETURNING 1) SELECT count(*) FROM ready").await;
        order.history.note("ready", json!({}));
    }
    let pids = scene.fleet.pids();
    let mut outcome = Outcome {
        faults: vec![("SIGKILL", kills), ("immediate stop", crashes - kills)],
        ..Outcome::default()
    };
    let pool = scene.judge(&mut outcome).await;
    outcome.recovered(reconnected(&pool, &pids).await, super::outcome::RECOVERY);
    outcome
        .notes
        .push("recovery: from a server that is ready to each process's next beat".to_owned());
    pool.close().await;
    outcome
}

async fn reconnected(pool: &PgPool, pids: &[u32]) -> Vec<f64> {
    let pids: Vec<i32> = pids.iter().filter_map(|pid| i32::try_from(*pid).ok()).collect();
    let times = sqlx::query_scalar(RECONNECTED).bind(pids).fetch_all(pool).await;
    times.expect("the database answers")
}

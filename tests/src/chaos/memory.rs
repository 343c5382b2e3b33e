//! M1: workers that get no more memory: whatever they ask the kernel for is refused from then on.

use std::pin::Pin;
use std::time::{Duration, Instant};

use autopilot_engine::MIGRATOR;
use autopilot_engine::testing::TestDatabase;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use super::outcome::RECOVERY;
use super::scene::{Scene, Stage};
use super::{Order, Outcome};
use crate::storm::{Random, audit};

/// How long a process may live on with what it has; then it is killed as in a storm.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn memory(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(starve(order))
}

/// Lets a process have no more memory than it has: a heap that must grow, a new thread's stack, a large buffer.
fn starve_out(pid: u32) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    prlimit(pid, Resource::Data, none)?;
    Ok(())
}

async fn starve(order: Order) -> Outcome {
    let database = TestDatabase::create(&[&MIGRATOR, &autopilot_workflows::MIGRATOR]).await;
    let url = database.url();
    let count = order.many(12, 2);
    let span = Duration::from_secs(3) * u32::try_from(count).unwrap_or(1);
    let mut scene =
        Scene::set(&order, Stage::new(&url, count * 8, span), async |_| Vec::new()).await;
    scene.busy().await;
    let mut random = Random::new(order.seed | 1);
    let (mut starved, mut killed) = (0, 0);
    for _ in 0..count {
        tokio::time::sleep(Duration::from_millis(500 + random.below(1_500))).await;
        let index = usize::try_from(random.below(3)).unwrap_or_default();
        let Some(pid) = scene.fleet.pids().get(index).copied() else { continue };
        audit::strike(&scene.pool, pid, "kill").await;
        if let Err(error) = starve_out(pid) {
            return Outcome::not_run(format!("a process cannot be limited: {error}"));
        }
        let until = Instant::now() + PATIENCE;
        let mut dead = 0;
        while dead == 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
            dead = scene.fleet.replace_dead();
        }
        order.history.note("memory", json!({ "worker": index, "ended by it": dead > 0 }));
        if dead > 0 {
            starved += 1;
        } else {
            scene.fleet.kill(index, &scene.pool).await;
            killed += 1;
        }
    }
    let mut outcome = Outcome {
        faults: vec![("ended for want of memory", starved), ("killed instead", killed)],
        ..Outcome::default()
    };
    let pool = scene.judge(&mut outcome).await;
    outcome.hold(starved > 0, || "no process asked for more memory than it had".to_owned());
    outcome.recovered(audit::recovered(&pool).await, RECOVERY);
    pool.close().await;
    database.close().await;
    outcome
}

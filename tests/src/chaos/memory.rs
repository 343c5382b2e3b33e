//! M1: workers whose memory runs out, which the kernel ends as it ends whoever has none left.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::{Duration, Instant};

use autopilot_engine::MIGRATOR;
use autopilot_engine::testing::TestDatabase;
use serde_json::json;

use super::outcome::RECOVERY;
use super::scene::{Scene, Stage};
use super::{Order, Outcome};
use crate::storm::{Random, audit};

/// What a process may hold beyond what it has.
const ROOM: &str = "1048576";

/// How long it may live on without asking for more; then it is killed as in a storm.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn memory(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(async move {
        match Group::new() {
            Ok(group) => starve(order, &group).await,
            Err(why) => Outcome::not_run(why),
        }
    })
}

/// A control group with little memory; it is removed when this is dropped.
struct Group(PathBuf);

impl Group {
    fn new() -> Result<Self, String> {
        let name = format!("autopilot-chaos-{}", std::process::id());
        let tried =
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        for (root, limit) in tried {
            if !Path::new(root).join("cgroup.procs").exists() {
                continue;
            }
            let group = Self(Path::new(root).join(&name));
            let made = fs::create_dir(&group.0).and_then(|()| fs::write(group.0.join(limit), ROOM));
            // Where there is swap, memory does not run out.
            drop(fs::write(group.0.join("memory.swap.max"), "0"));
            return made
                .map(|()| group)
                .map_err(|error| format!("no control group can be made: {error}"));
        }
        Err("there are no control groups for memory".to_owned())
    }

    fn take(&self, pid: u32) -> std::io::Result<()> {
        fs::write(self.0.join("cgroup.procs"), pid.to_string())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.0));
    }
}

async fn starve(order: Order, group: &Group) -> Outcome {
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
        if let Err(error) = group.take(pid) {
            return Outcome::not_run(format!(
                "a process cannot be put into a control group: {error}"
            ));
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
    if starved == 0 {
        return Outcome::not_run(
            "no process asked for more memory than it had, or the limit is not enforced here",
        );
    }
    outcome.recovered(audit::recovered(&pool).await, RECOVERY);
    pool.close().await;
    database.close().await;
    outcome
}

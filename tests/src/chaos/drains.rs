//! T19: workers are told to end under load, again and again.

use std::pin::Pin;
use std::process::Child;
use std::time::{Duration, Instant};

use autopilot_engine::MIGRATOR;
use autopilot_engine::testing::TestDatabase;
use serde_json::json;
use tokio::task::JoinSet;

use super::scene::{Scene, Stage};
use super::{Order, Outcome, bounds};
use crate::storm::{Pace, Random, audit};

/// Of four workers three have so little time for what runs, the fourth has as much as by default.
const GRACE: &str = "300ms";

/// Beyond its grace a process may take so long, to give back what it holds and to end.
const BEYOND: Duration = Duration::from_secs(5);

/// The longest that the 99th percentile of a job that was given back may wait for its next claim, in milliseconds.
const PICKED_UP: f64 = 1_000.0;

pub(super) fn drains(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(drain(order))
}

async fn drain(order: Order) -> Outcome {
    let database = TestDatabase::create(&[&MIGRATOR, &autopilot_workflows::MIGRATOR]).await;
    let url = database.url();
    let count = order.many(160, 6);
    let span = Duration::from_millis(600) * u32::try_from(count).unwrap_or(1);
    // So few that there are free slots: what is given back waits for nobody.
    let mut stage = Stage::new(&url, (count * 3 / 5).max(8), span);
    (stage.workers, stage.pace) = (4, Pace::Production);
    let grace = vec![("AUTOPILOT__WORKER__DRAIN_GRACE".to_owned(), GRACE.to_owned())];
    let each = vec![Vec::new(), grace.clone(), grace.clone(), grace];
    let mut scene = Scene::set(&order, stage, async move |_| each).await;
    scene.busy().await;
    let mut random = Random::new(order.seed | 1);
    let (mut ending, mut ended) = (JoinSet::new(), Vec::new());
    for _ in 0..count {
        let index = usize::try_from(random.below(4)).unwrap_or_default();
        // One that has only just been started holds nothing, and may not yet know what a signal is.
        scene.is_registered(index).await;
        let pool = scene.pool.clone();
        let told = Instant::now();
        let Some(child) = scene.fleet.retire(index, &pool).await else { continue };
        order.history.note("told to end", json!({ "worker": index }));
        ending.spawn_blocking(move || (index, end(child, told)));
        // Two at a time, so that there is always somebody who works.
        while ending.len() > 2 {
            ended.extend(ending.join_next().await.and_then(Result::ok));
        }
        tokio::time::sleep(Duration::from_millis(200 + random.below(400))).await;
    }
    ended.extend(ending.join_all().await);
    let mut outcome = Outcome { faults: vec![("SIGTERM", ended.len())], ..Outcome::default() };
    for (index, time) in &ended {
        let most =
            if *index == 0 { Duration::from_secs(30) } else { Duration::from_millis(300) + BEYOND };
        outcome.hold(time.is_some_and(|time| time < most), || {
            format!("worker {index} took {time:?} to end")
        });
    }
    let mut times: Vec<f64> = ended
        .iter()
        .filter_map(|(index, time)| time.filter(|_| *index > 0))
        .map(|time| time.as_secs_f64())
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |share| bounds::quantile(&times, share).unwrap_or_default();
    outcome.notes.push(format!(
        "ended after {:.2} / {:.2} s (p50 / p99, grace {GRACE})",
        at(0.5),
        at(0.99)
    ));
    let pool = scene.judge(&mut outcome).await;
    outcome.recovered(audit::picked_up(&pool).await, PICKED_UP);
    outcome.notes.push("recovery: from giving a job back to its next claim".to_owned());
    let crashed = "SELECT count(*) FROM audit.freed WHERE crashed";
    let crashed: i64 = sqlx::query_scalar(crashed).fetch_one(&pool).await.expect("an answer");
    outcome.hold(crashed == 0, || format!("{crashed} attempts counted a crash"));
    pool.close().await;
    database.close().await;
    outcome
}

/// Waits for a process; how long that took since it was told, where it ended well.
fn end(mut child: Child, told: Instant) -> Option<Duration> {
    let status = child.wait().ok()?;
    status.success().then(|| told.elapsed())
}

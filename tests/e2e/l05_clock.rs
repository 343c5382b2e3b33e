//! L5: only the database's clock decides leases and due times.

use std::time::Duration;

use autopilot_engine::NewJob;
use autopilot_tests::{Lab, Script};
use chrono::{TimeDelta, Utc};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn l05_a_job_is_due_when_the_database_says_so() {
    let world = Lab::noting().await;
    world.clock.freeze().await.unwrap();
    let later = NewJob::of(&Script::new("later")).unwrap().after(HOUR);
    world.add(later).await;
    world.enqueue(&Script::new("now")).await;
    world.clock.advance_alive(HOUR - Duration::from_millis(1)).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["now"]);
    world.clock.advance_alive(Duration::from_millis(1)).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["now", "later"]);
    world.finish().await;
}

#[tokio::test]
async fn l05_what_a_process_takes_for_the_time_decides_nothing() {
    let world = Lab::noting().await;
    // The database is ten days ahead of this process.
    world.clock.advance(10 * 24 * HOUR).await.unwrap();
    let tomorrow_here =
        NewJob::of(&Script::new("past there")).unwrap().at(Utc::now() + TimeDelta::days(1));
    world.add(tomorrow_here).await;
    let soon = world.clock.now().await.unwrap() + TimeDelta::hours(1);
    world.add(NewJob::of(&Script::new("future there")).unwrap().at(soon)).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["past there"]);
    world.clock.advance(HOUR).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["past there", "future there"]);
    world.finish().await;
}

#[tokio::test]
async fn l05_a_lease_runs_out_when_the_database_says_so() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            if label == "stuck" && run.app.count("stuck") == 1 {
                run.app.gate("stuck").pass().await;
            }
            Ok(())
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    world.enqueue(&Script::new("stuck")).await;
    let process = world.start();
    world.app.gate("stuck").reached(1).await;
    process.kill().await;
    // Real time goes by, the database's does not: one round of another process's rescue finds nobody dead.
    world.clock.advance(world.config.lease).await.unwrap();
    world.enqueue(&Script::new("other")).await;
    let process = world.start();
    autopilot_tests::eventually("the other runs", async || world.app.count("other") == 1).await;
    process.stop().await;
    sqlx::query(crate::rescue_races::RESCUE_DECLARE).execute(world.pool()).await.unwrap();
    assert_eq!(world.count("engine.worker").await, 1, "not dead at the very end of its lease");
    assert_eq!(world.count("engine.job WHERE state = 1 AND crashes = 0").await, 1);
    world.clock.advance(Duration::from_millis(1)).await.unwrap();
    world.drain_all().await;
    assert_eq!(world.app.count("stuck"), 2);
    world.finish().await;
}

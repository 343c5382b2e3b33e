//! L6: rescue goes by the lease, never by the age of a job.

use std::time::Duration;

use autopilot_tests::{Lab, Script};

use crate::rescue_races::RESCUE_DECLARE;

#[tokio::test]
async fn l06_a_job_that_runs_for_a_day_under_a_live_heartbeat_is_never_rescued() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.gate("here").pass().await;
            run.app.note(label);
            Ok(())
        })
    })
    .await;
    let job = world.enqueue(&Script::new("long")).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    world.clock.advance_alive(Duration::from_secs(24 * 3_600)).await.unwrap();
    let declared = sqlx::query(RESCUE_DECLARE).execute(world.pool()).await.unwrap();
    assert_eq!(declared.rows_affected(), 0);
    assert_eq!(world.count("engine.dead_worker").await, 0);
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!(world.app.calls(), ["long"]);
    assert_eq!(world.count("engine.history WHERE token = 1 AND crashes = 0").await, 1);
    world.finish().await;
}

//! L10: a cancel is terminal, wins over a late ack, and reaches a running attempt within a heartbeat.

use std::sync::Arc;
use std::time::Duration;

use autopilot_tests::{Gate, Inside, Lab, Script};

/// Opens a gate when it is dropped: the code that held it has ended.
struct EndsAt(Arc<Gate>);

impl Drop for EndsAt {
    fn drop(&mut self) {
        self.0.open();
    }
}

#[tokio::test]
async fn l10_a_cancel_wins_over_a_late_ack() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.gate("here").pass().await;
            run.step("after", async |at| at.app.call("after", &at.key)).await
        })
    })
    .await;
    let process = world.start_unaware().await;
    let job = world.enqueue(&Script::default()).await;
    world.app.gate("here").reached(1).await;
    world.cancel(job).await;
    world.app.gate("here").open();
    process.stop().await;
    assert_eq!(world.standing(job).await, "cancelled");
    assert_eq!(world.app.calls(), [""; 0], "it makes no further call");
    assert_eq!(world.count("engine.step").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn l10_a_cancel_reaches_a_running_attempt_with_the_next_heartbeat() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            let _ends = EndsAt(run.app.gate("ended"));
            run.app.gate("never").pass().await;
            Ok(())
        })
    })
    .await;
    world.config.heartbeat = Duration::from_millis(50);
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("never").reached(1).await;
    world.cancel(job).await;
    tokio::time::timeout(autopilot_tests::PATIENCE, world.app.gate("ended").pass())
        .await
        .expect("the attempt is dropped although its gate never opens");
    process.stop().await;
    assert_eq!(world.standing(job).await, "cancelled");
    world.finish().await;
}

#[tokio::test]
async fn l10_a_cancelled_job_is_never_claimed() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.note("ran");
            Ok(())
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    world.cancel(job).await;
    world.enqueue(&Script::default()).await;
    world.drain().await;
    assert_eq!(world.app.count("ran"), 1);
    assert_eq!(world.standing(job).await, "cancelled");
    world.finish().await;
}

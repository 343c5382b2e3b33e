//! L2: a superseded attempt writes nothing. Each kind of write is refused on its own account.

use std::time::Duration;

use autopilot_engine::{Class, Failure, Run};
use autopilot_tests::{Inside, Lab, Running, Script, World, eventually};

/// Runs a job up to the gate `here`, gives it to another worker and lets the attempt go on. Nothing in the database
/// may change after that.
async fn writes_nothing<F>(body: F) -> World<Lab>
where
    F: for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Lab>) -> Running<'a> + Send + Sync + 'static,
{
    let mut world = Lab::world(body).await;
    let process = world.start_unaware().await;
    let job = world.enqueue(&Script::default()).await;
    world.app.gate("here").reached(1).await;
    world.supersede(job).await;
    let before = world.snapshot().await;
    world.app.gate("here").open();
    eventually("the attempt goes on", async || world.app.count("went on") == 1).await;
    process.stop().await;
    assert_eq!(world.snapshot().await, before);
    world
}

/// A claim does not wait for the disk: a crash of the database may lose it, and the next claim carries the same token.
#[tokio::test]
async fn l02_an_attempt_whose_claim_was_lost_with_the_database_writes_nothing() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            here(run).await;
            run.step("buy", async |at| at.app.call("buy", &at.key)).await
        })
    })
    .await;
    let process = world.start_unaware().await;
    world.enqueue(&Script::default()).await;
    world.app.gate("here").reached(1).await;
    let same_token =
        "UPDATE engine.job SET worker = gen_random_uuid() WHERE state = 1 AND token = 1";
    assert_eq!(world.execute(same_token).await, 1);
    let before = world.snapshot().await;
    world.app.gate("here").open();
    eventually("the attempt goes on", async || world.app.count("went on") == 1).await;
    process.stop().await;
    assert_eq!(world.snapshot().await, before);
    assert_eq!(world.app.count("buy"), 0);
    world.close().await;
}

async fn here(run: &Run<'_, Lab>) {
    run.app.gate("here").pass().await;
    run.app.note("went on");
}

#[tokio::test]
async fn l02_a_superseded_attempt_writes_no_started_record_and_makes_no_call() {
    let world = writes_nothing(|_, run| {
        Box::pin(async move {
            here(run).await;
            run.step("buy", async |at| at.app.call("buy", &at.key)).await
        })
    })
    .await;
    assert_eq!(world.app.count("buy"), 0);
    world.close().await;
}

#[tokio::test]
async fn l02_a_superseded_attempt_writes_no_checkpoint() {
    let world = writes_nothing(|_, run| {
        Box::pin(async move {
            run.step_once("buy", async |at| {
                at.app.gate("here").pass().await;
                at.app.call("went on", &at.key)
            })
            .await?;
            run.app.note("never");
            Ok(())
        })
    })
    .await;
    assert_eq!(world.app.count("never"), 0, "the attempt ends where its checkpoint is refused");
    world.close().await;
}

#[tokio::test]
async fn l02_a_superseded_attempt_does_not_ack() {
    let done = writes_nothing(|_, run| {
        Box::pin(async move {
            here(run).await;
            Ok(())
        })
    });
    done.await.close().await;
}

#[tokio::test]
async fn l02_a_superseded_attempt_does_not_retry() {
    let failed = writes_nothing(|_, run| {
        Box::pin(async move {
            here(run).await;
            Err(Failure::new(Class::TransientNetwork, "test", "the network failed").into())
        })
    });
    failed.await.close().await;
}

#[tokio::test]
async fn l02_a_superseded_attempt_does_not_park() {
    let parked = writes_nothing(|_, run| {
        Box::pin(async move {
            here(run).await;
            run.sleep("night", Duration::from_secs(60)).await
        })
    });
    parked.await.close().await;
}

#[tokio::test]
async fn l02_a_superseded_attempt_does_not_bury() {
    let buried = writes_nothing(|_, run| {
        Box::pin(async move {
            here(run).await;
            Err(Failure::new(Class::ProvisioningError, "test", "sold out").into())
        })
    });
    buried.await.close().await;
}

#[tokio::test]
async fn l02_a_superseded_attempt_that_panics_counts_no_crash() {
    let panicked = writes_nothing(|_, run| {
        Box::pin(async move {
            here(run).await;
            panic!("on purpose")
        })
    });
    panicked.await.close().await;
}

#[tokio::test]
async fn l02_a_superseded_attempt_transacts_nothing() {
    let world = writes_nothing(|_, run| {
        Box::pin(async move {
            here(run).await;
            run.transact("book", async |tx| {
                sqlx::query("CREATE TABLE booked ()").execute(tx).await?;
                Ok(())
            })
            .await
        })
    })
    .await;
    assert_eq!(world.count("pg_class WHERE relname = 'booked'").await, 0);
    world.close().await;
}

#[tokio::test]
async fn l02_a_superseded_attempt_enqueues_nothing() {
    let world = writes_nothing(|_, run| {
        Box::pin(async move {
            run.enqueue(Script::new("next").job());
            here(run).await;
            Ok(())
        })
    })
    .await;
    assert_eq!(world.count("engine.job").await, 1);
    world.close().await;
}

#[tokio::test]
async fn l02_a_drain_releases_no_job_that_another_worker_has() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.gate("never").pass().await;
            Ok(())
        })
    })
    .await;
    world.config.drain = Duration::ZERO;
    let process = world.start_unaware().await;
    let job = world.enqueue(&Script::default()).await;
    world.app.gate("never").reached(1).await;
    world.supersede(job).await;
    let before = world.snapshot().await;
    process.stop().await;
    assert_eq!(world.snapshot().await, before);
    world.close().await;
}

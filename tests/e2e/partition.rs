//! A worker that is alive and cut off from its database: the worst kind of dead.

use std::time::Duration;

use autopilot_engine::testing::CrashPoints;
use autopilot_tests::{Cut, Lab, Proxy, Script, World, eventually};

/// The first attempt stops at the gate `first`, any other goes straight on.
async fn first_attempt_is_held() -> World<Lab> {
    Lab::world(|_, run| {
        Box::pin(async move {
            run.app.note("attempt");
            if run.app.count("attempt") == 1 {
                run.app.gate("first").pass().await;
            }
            run.step("buy", async |at| at.app.call("buy", &at.key)).await
        })
    })
    .await
}

#[tokio::test]
async fn a_worker_behind_a_dead_network_calls_nobody_and_comes_back_as_another() {
    let mut world = first_attempt_is_held().await;
    world.config.heartbeat = Duration::from_millis(200);
    let proxy = Proxy::start(&world.url()).await;
    let pool = proxy.pool(&world.url()).await;
    let job = world.enqueue(&Script::default()).await;
    let cut_off = world.start_with(pool.clone(), CrashPoints::none());
    world.app.gate("first").reached(1).await;
    let first: uuid::Uuid = world.value("SELECT id FROM engine.worker").await;
    proxy.pass(false);
    world.let_leases_lapse().await;
    // Another process finds it dead and does its job, while it still believes in its lease.
    let other = world.start();
    eventually("the job is done", async || world.count("engine.history").await == 1).await;
    world.app.gate("first").open();
    proxy.pass(true);
    let back = format!("engine.worker WHERE id <> '{first}'");
    eventually("it is back as another", async || world.count(&back).await == 2).await;
    cut_off.stop().await;
    other.stop().await;
    pool.close().await;
    assert_eq!(world.app.calls(), ["attempt", "attempt", "buy"]);
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!(world.count("engine.history WHERE token = 2 AND crashes = 1").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_worker_that_cannot_come_back_at_once_tries_again() {
    let mut world = Lab::noting().await;
    world.config.heartbeat = Duration::from_millis(100);
    let proxy = Proxy::start(&world.url()).await;
    let pool = proxy.pool(&world.url()).await;
    let process = world.start_with(pool.clone(), CrashPoints::none());
    eventually("it is registered", async || world.count("engine.worker").await == 1).await;
    let first: uuid::Uuid = world.value("SELECT id FROM engine.worker").await;
    // Whoever registers says the host's name, and loads the marks of its queue next.
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    proxy.arm(Cut::Request(host.clone().into_bytes()));
    proxy.arm(Cut::Answer(host.into_bytes()));
    world.execute("DELETE FROM engine.worker").await;
    let back = format!("engine.worker WHERE id <> '{first}'");
    eventually("both attempts failed", async || proxy.cuts() == 2).await;
    eventually("it is back", async || world.count(&back).await == 2).await;
    let job = world.enqueue(&Script::new("late")).await;
    eventually("it works", async || world.app.count("late") == 1).await;
    process.stop().await;
    pool.close().await;
    assert_eq!(world.standing(job).await, "completed");
    world.finish().await;
}

#[tokio::test]
async fn connections_that_break_all_the_time_cost_no_job_and_no_attempt() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.step("one", async |at| at.app.call("one", &at.key)).await?;
            run.step("two", async |at| at.app.call("two", &at.key)).await?;
            run.app.note(label);
            Ok(())
        })
    })
    .await;
    let proxy = Proxy::start(&world.url()).await;
    let pool = proxy.pool(&world.url()).await;
    for _ in 0..40 {
        world.enqueue(&Script::new("end")).await;
    }
    let process = world.start_with(pool.clone(), CrashPoints::none());
    for done in [5, 15, 25, 35] {
        eventually("some are done", async || world.count("engine.history").await >= done).await;
        proxy.reset();
    }
    eventually("all are done", async || world.count("engine.history").await == 40).await;
    process.stop().await;
    pool.close().await;
    assert_eq!(
        world.texts("SELECT f::text FROM engine.failure f").await,
        Vec::<String>::new(),
        "nothing went wrong with any attempt"
    );
    assert_eq!(
        world
            .count("engine.history WHERE outcome = 'completed' AND attempt = 1 AND crashes = 0")
            .await,
        40
    );
    assert_eq!(world.app.effects().len(), 80, "each effect once, whatever was repeated");
    assert_eq!(world.count("engine.step WHERE state = 'done'").await, 80);
    world.finish().await;
}

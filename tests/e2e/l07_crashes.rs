//! L7: a rescue counts as a crash, apart from failures; the third sets the job aside with its payload.

use autopilot_engine::{Class, Failure};
use autopilot_tests::{Lab, PATIENCE, Script};
use sqlx::postgres::PgListener;

#[tokio::test]
async fn l07_a_job_that_kills_its_worker_three_times_is_quarantined_with_its_payload() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.gate("here").pass().await;
            run.app.note(label);
            Ok(())
        })
    })
    .await;
    let job = world.enqueue(&Script::new("poison")).await;
    for death in 1..=3 {
        let process = world.start();
        world.app.gate("here").reached(death).await;
        process.kill().await;
        world.let_leases_lapse().await;
    }
    world.drain().await;
    assert_eq!(world.standing(job).await, "quarantined");
    assert_eq!(world.app.gate("here").arrivals(), 3, "no fourth process is killed");
    let letter = "SELECT concat_ws('/', crashes, attempt, payload->>'label', failure->>'code') FROM engine.dead_letter";
    assert_eq!(world.texts(letter).await, ["3/1/poison/quarantined"]);
    let noted = "engine.failure WHERE code = 'worker_died' AND effect = 'unknown'";
    assert_eq!(world.count(noted).await, 3);
    world.close().await;
}

#[tokio::test]
async fn l07_who_has_a_free_slot_is_told_of_a_job_that_another_rescues() {
    let mut world = Lab::gated().await;
    world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    let mut listener = PgListener::connect(&world.url()).await.unwrap();
    listener.listen("autopilot").await.unwrap();
    world.config.queues = vec![("other".to_owned(), 1)];
    let rescuer = world.start();
    let told = tokio::time::timeout(PATIENCE, listener.recv()).await;
    assert_eq!(told.expect("somebody is told").unwrap().payload(), "default");
    rescuer.stop().await;
    world.close().await;
}

#[tokio::test]
async fn l07_a_crash_uses_up_no_retry_and_a_failure_no_crash() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.note("attempt");
            if run.app.count("attempt") <= 2 {
                run.app.gate("here").pass().await;
            }
            Err(Failure::new(Class::TransientNetwork, "test", "the network failed").into())
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    for death in 1..=2 {
        let process = world.start();
        world.app.gate("here").reached(death).await;
        process.kill().await;
        world.let_leases_lapse().await;
    }
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "failed");
    assert_eq!(world.app.count("attempt"), 2 + 4, "two crashes, one attempt and three retries");
    let letter = "SELECT concat_ws('/', crashes, attempt) FROM engine.dead_letter";
    assert_eq!(world.texts(letter).await, ["2/4"]);
    world.close().await;
}

#[tokio::test]
async fn l07_a_panic_is_a_crash_and_the_worker_goes_on() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            assert_ne!(label, "panics", "on purpose");
            Ok(())
        })
    })
    .await;
    let job = world.enqueue(&Script::new("panics")).await;
    world.enqueue(&Script::new("fine")).await;
    world.drain_all().await;
    assert_eq!((world.app.count("panics"), world.app.count("fine")), (3, 1));
    assert_eq!(world.standing(job).await, "quarantined");
    let letter = "SELECT concat_ws('/', crashes, failure->>'code') FROM engine.dead_letter";
    assert_eq!(world.texts(letter).await, ["3/panicked"]);
    let noted = "engine.failure WHERE code = 'panicked' AND message LIKE '%on purpose%'";
    assert_eq!(world.count(noted).await, 3);
    world.close().await;
}

//! L11: at most one live job for a unique key; the slot is the job's own row, so nothing can leak it.

use autopilot_engine::{Enqueued, NewJob, enqueue};
use autopilot_tests::{Inside, Lab, Script, World};
use sqlx::Connection;

fn slot() -> NewJob {
    NewJob::of(&Script::default().unique("studio-7")).unwrap()
}

async fn is_taken(world: &World<Lab>) -> bool {
    let taken = matches!(world.submit(slot()).await, Enqueued::Existing(_));
    assert_eq!(world.count("engine.job WHERE unique_key = 'studio-7'").await, 1, "never two");
    taken
}

#[tokio::test]
async fn l11_of_eight_that_enqueue_at_the_same_time_one_makes_the_job_and_seven_join_it() {
    let world = Lab::gated().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut conn = world.connect().await;
        racers.spawn(async move {
            let mut tx = conn.begin().await.unwrap();
            let answer = enqueue(&mut tx, &[slot()]).await.unwrap();
            tx.commit().await.unwrap();
            answer[0]
        });
    }
    let answers = racers.join_all().await;
    let new = answers.iter().filter(|answer| matches!(answer, Enqueued::New(_))).count();
    assert_eq!(new, 1);
    assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    assert_eq!(world.count("engine.job").await, 1);
    world.close().await;
}

#[tokio::test]
async fn l11_a_slot_is_held_while_its_job_runs_and_after_a_crash() {
    let world = Lab::gated().await;
    assert!(!is_taken(&world).await);
    let process = world.start();
    world.app.gate("here").reached(1).await;
    assert!(is_taken(&world).await, "while it runs");
    process.kill().await;
    assert!(is_taken(&world).await, "after the crash");
    world.let_leases_lapse().await;
    let process = world.start();
    world.app.gate("here").reached(2).await;
    assert!(is_taken(&world).await, "after the rescue");
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert!(!is_taken(&world).await, "free after the ack");
    world.close().await;
}

#[tokio::test]
async fn l11_a_cancel_frees_the_slot() {
    let world = Lab::gated().await;
    let job = world.submit(slot()).await.id();
    world.cancel(job).await;
    assert!(!is_taken(&world).await);
    world.close().await;
}

#[tokio::test]
async fn l11_a_quarantine_frees_the_slot() {
    let world = Lab::gated().await;
    let job = world.submit(slot()).await.id();
    for death in 1..=3 {
        let process = world.start();
        world.app.gate("here").reached(death).await;
        process.kill().await;
        world.let_leases_lapse().await;
    }
    world.drain().await;
    assert_eq!(world.standing(job).await, "quarantined");
    assert!(!is_taken(&world).await);
    world.close().await;
}

#[tokio::test]
async fn l11_two_jobs_of_one_key_in_one_batch_are_one_job() {
    let world = Lab::gated().await;
    let mut tx = world.pool().begin().await.unwrap();
    let answers = enqueue(&mut tx, &[slot(), slot()]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(answers[1], Enqueued::Existing(answers[0].id()));
    assert_eq!(world.count("engine.job").await, 1);
    world.close().await;
}

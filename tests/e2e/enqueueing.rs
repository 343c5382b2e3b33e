//! Enqueueing: in the caller's transaction, once per key, when and where it was asked for.

use std::time::Duration;

use autopilot_engine::{Enqueued, NewJob, Priority, enqueue};
use autopilot_tests::{Inside, Lab, Script};
use sqlx::Connection;

fn script(label: &str) -> NewJob {
    NewJob::of(&Script::new(label)).unwrap()
}

#[tokio::test]
async fn a_rollback_leaves_no_job_and_no_key() {
    let world = Lab::noting().await;
    let mut tx = world.pool().begin().await.unwrap();
    assert!(!enqueue(&mut tx, &[script("a"), script("b").key("event")]).await.unwrap().is_empty());
    tx.rollback().await.unwrap();
    assert!(world.snapshot().await.is_empty());
    assert!(matches!(world.submit(script("b").key("event")).await, Enqueued::New(_)));
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn a_batch_is_answered_in_its_order_and_runs() {
    let world = Lab::noting().await;
    let jobs: Vec<NewJob> = (0..50).map(|number| script(&number.to_string())).collect();
    let mut tx = world.pool().begin().await.unwrap();
    let answers = enqueue(&mut tx, &jobs).await.unwrap();
    tx.commit().await.unwrap();
    for (number, answer) in answers.iter().enumerate() {
        let label: String = world
            .value(&format!(
                "SELECT payload->>'label' FROM engine.job WHERE id = '{}'",
                answer.id()
            ))
            .await;
        assert_eq!((label, *answer), (number.to_string(), Enqueued::New(answer.id())));
    }
    world.drain().await;
    assert_eq!(world.app.calls().len(), 50);
    world.finish().await;
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_job_even_after_it_has_finished() {
    let world = Lab::noting().await;
    let first = world.submit(script("a").key("event")).await;
    assert!(matches!(first, Enqueued::New(_)));
    assert_eq!(world.submit(script("a").key("event")).await, Enqueued::Existing(first.id()));
    world.drain().await;
    assert_eq!(world.submit(script("a").key("event")).await, Enqueued::Existing(first.id()));
    assert!(matches!(world.submit(script("a").key("other")).await, Enqueued::New(_)));
    world.drain().await;
    assert_eq!(world.app.calls().len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn eight_that_enqueue_one_key_at_the_same_time_get_one_job() {
    let world = Lab::noting().await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut conn = world.connect().await;
        racers.spawn(async move {
            let mut tx = conn.begin().await.unwrap();
            let answer = enqueue(&mut tx, &[script("a").key("event")]).await.unwrap();
            tx.commit().await.unwrap();
            answer[0]
        });
    }
    let answers = racers.join_all().await;
    assert_eq!(answers.iter().filter(|one| matches!(one, Enqueued::New(_))).count(), 1);
    assert!(answers.iter().all(|one| one.id() == answers[0].id()));
    world.drain().await;
    assert_eq!(world.app.calls(), ["a"]);
    world.finish().await;
}

#[tokio::test]
async fn a_key_whose_first_enqueue_rolled_back_is_free_for_the_one_that_waited() {
    let world = Lab::noting().await;
    let mut one = world.connect().await;
    let mut tx = one.begin().await.unwrap();
    assert!(!enqueue(&mut tx, &[script("a").key("event")]).await.unwrap().is_empty());
    let mut other = world.connect().await;
    let waiting = tokio::spawn(async move {
        let mut tx = other.begin().await.unwrap();
        let answer = enqueue(&mut tx, &[script("a").key("event")]).await.unwrap();
        tx.commit().await.unwrap();
        answer[0]
    });
    world.waiting_for_locks(1).await;
    tx.rollback().await.unwrap();
    assert!(matches!(waiting.await.unwrap(), Enqueued::New(_)));
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn the_id_of_a_key_is_derived_so_that_a_failover_cannot_change_it() {
    let (one, other) = (Lab::noting().await, Lab::noting().await);
    let first = one.submit(script("a").key("event")).await.id();
    assert_eq!(other.submit(script("a").key("event")).await.id(), first);
    assert_ne!(other.submit(script("a").key("another")).await.id(), first);
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn a_key_that_joins_a_live_unique_job_stands_for_that_job() {
    let world = Lab::noting().await;
    let unique = || NewJob::of(&Script::new("a").unique("studio")).unwrap();
    let live = world.submit(unique()).await.id();
    assert_eq!(world.submit(unique().key("event")).await, Enqueued::Existing(live));
    world.drain().await;
    assert_eq!(world.submit(unique().key("event")).await, Enqueued::Existing(live));
    assert_eq!(world.app.calls(), ["a"]);
    world.finish().await;
}

#[tokio::test]
async fn a_job_with_two_copies_of_its_key_in_one_batch_is_one_job() {
    let world = Lab::noting().await;
    let mut tx = world.pool().begin().await.unwrap();
    let jobs = [script("a").key("event"), script("a").key("event")];
    let answers = enqueue(&mut tx, &jobs).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(answers[1], Enqueued::Existing(answers[0].id()));
    world.drain().await;
    assert_eq!(world.app.calls(), ["a"]);
    world.finish().await;
}

#[tokio::test]
async fn scheduled_jobs_run_in_the_order_in_which_they_are_due() {
    let world = Lab::noting().await;
    world.clock.freeze().await.unwrap();
    world.add(script("third").after(Duration::from_secs(3_600))).await;
    world.add(script("second").after(Duration::from_secs(60))).await;
    let past = world.clock.now().await.unwrap() - chrono::TimeDelta::days(1);
    world.add(script("first").at(past)).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["first", "second", "third"]);
    world.finish().await;
}

#[tokio::test]
async fn a_higher_priority_runs_first() {
    let mut world = Lab::noting().await;
    world.config.queues = vec![("default".to_owned(), 1)];
    for priority in [Priority::Low, Priority::Normal, Priority::High, Priority::Critical] {
        world.add(script(&format!("{priority:?}")).priority(priority)).await;
    }
    world.drain().await;
    assert_eq!(world.app.calls(), ["Critical", "High", "Normal", "Low"]);
    world.finish().await;
}

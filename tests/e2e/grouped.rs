//! Enqueues of many callers share a commit: each is answered for its own job, and nobody waits for another's trouble.

use std::collections::HashSet;

use autopilot_engine::{Enqueued, Enqueuer, NewJob};
use autopilot_tests::{Cut, Inside, Lab, Proxy, Script};
use sqlx::Connection;
use tokio::task::JoinSet;

fn script(label: &str) -> NewJob {
    NewJob::of(&Script::new(label)).unwrap()
}

#[tokio::test]
async fn many_callers_get_one_job_each() {
    let world = Lab::noting().await;
    let enqueuer = Enqueuer::start(world.pool().clone());
    let mut callers = JoinSet::new();
    for number in 0..200 {
        let enqueuer = enqueuer.clone();
        callers.spawn(async move { enqueuer.enqueue(script(&number.to_string())).await.unwrap() });
    }
    let ids: HashSet<_> = callers.join_all().await.into_iter().map(Enqueued::id).collect();
    assert_eq!(ids.len(), 200);
    assert_eq!(world.count("engine.job").await, 200, "on disk when it is answered");
    world.drain().await;
    let ran: HashSet<String> = world.app.calls().into_iter().collect();
    assert_eq!((world.app.calls().len(), ran.len()), (200, 200));
    world.finish().await;
}

#[tokio::test]
async fn keys_are_honoured_within_a_group_and_over_groups() {
    let world = Lab::noting().await;
    let enqueuer = Enqueuer::start(world.pool().clone());
    let mut callers = JoinSet::new();
    for number in 0..32 {
        let enqueuer = enqueuer.clone();
        let job = match number % 2 {
            0 => script("event").key("event-1"),
            _ => NewJob::of(&Script::new("studio").unique("studio-1")).unwrap(),
        };
        callers.spawn(async move { enqueuer.enqueue(job).await.unwrap() });
    }
    let answers = callers.join_all().await;
    let new = answers.iter().filter(|answer| matches!(answer, Enqueued::New(_))).count();
    let ids: HashSet<_> = answers.into_iter().map(Enqueued::id).collect();
    assert_eq!((new, ids.len()), (2, 2));
    world.drain().await;
    assert!(matches!(
        enqueuer.enqueue(script("event").key("event-1")).await,
        Ok(Enqueued::Existing(_))
    ));
    assert_eq!(world.app.calls().len(), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_key_that_somebody_else_is_just_taking_holds_up_only_its_own_caller() {
    let world = Lab::noting().await;
    let enqueuer = Enqueuer::start(world.pool().clone());
    let mut other = world.connect().await;
    let mut tx = other.begin().await.unwrap();
    let taken =
        autopilot_engine::enqueue(&mut tx, &[script("event").key("event-1")]).await.unwrap();
    let waits = tokio::spawn({
        let enqueuer = enqueuer.clone();
        async move { enqueuer.enqueue(script("event").key("event-1")).await.unwrap() }
    });
    world.waiting_for_locks(1).await;
    assert!(matches!(enqueuer.enqueue(script("free")).await, Ok(Enqueued::New(_))));
    assert!(!waits.is_finished());
    tx.commit().await.unwrap();
    assert_eq!(waits.await.unwrap(), Enqueued::Existing(taken[0].id()));
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn l12_an_enqueue_whose_answer_was_lost_is_there_once() {
    for cut in [Cut::Answer(b"odd-label".to_vec()), Cut::Request(b"odd-label".to_vec())] {
        let world = Lab::noting().await;
        let proxy = Proxy::start(&world.url()).await;
        let enqueuer = Enqueuer::start(proxy.pool(&world.url()).await);
        // Something at work takes the job away before it can be looked for.
        let process = world.start();
        proxy.arm(cut);
        assert!(matches!(enqueuer.enqueue(script("odd-label")).await, Ok(Enqueued::New(_))));
        assert_eq!(proxy.cuts(), 1);
        world.idle().await;
        process.stop().await;
        assert_eq!(world.app.calls(), ["odd-label"]);
        assert_eq!(world.count("engine.history").await, 1);
        world.finish().await;
    }
}

#[tokio::test]
async fn a_job_that_the_database_refuses_hurts_nobody_else() {
    let world = Lab::noting().await;
    world
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION 'refused on purpose' USING ERRCODE = '22023';
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON engine.job FOR EACH ROW
             WHEN (NEW.payload->>'label' = 'bad') EXECUTE FUNCTION refuse()",
        )
        .await;
    let enqueuer = Enqueuer::start(world.pool().clone());
    let mut callers = JoinSet::new();
    for number in 0..20 {
        let enqueuer = enqueuer.clone();
        let label = if number == 7 { "bad" } else { "good" };
        callers.spawn(async move { enqueuer.enqueue(script(label)).await.is_ok() });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|done| **done).count(), 19);
    assert_eq!(world.count("engine.job").await, 19);
    world.drain().await;
    world.finish().await;
}

//! What counts and what does not: outages for a step's patience, answers for a breaker, retries for a budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use autopilot_engine::ops;
use autopilot_engine::ops::breakers::{self, Guarded};
use autopilot_engine::testing::look_after;
use autopilot_engine::{Class, Failure, Outcome, Result, Retry, Step, Stop, Wait, WorkspaceId};
use autopilot_tests::{Inside, Lab, TurnsScript, World};
use sqlx::Connection as _;

use super::{
    MAIL, Service, advance, enqueue_of, log, of_all, one_at_a_time, out_of_order, spent, tried_by,
    world_of,
};

/// What a call comes to.
#[derive(Debug, Clone, Copy)]
enum Comes {
    /// Somebody else is to act first.
    Wait,
    Outage,
    SlowDown,
}

/// A world whose jobs do one step, which comes to these one after the other, and is done then.
async fn world_that(step: Step, comes: Vec<Comes>) -> World<Lab> {
    let times = Arc::new(AtomicUsize::new(0));
    let mut world = Lab::world(move |label, run| {
        let (comes, times) = (comes.clone(), Arc::clone(&times));
        Box::pin(async move {
            run.step(step, async |at| {
                at.app.note(label);
                let Some(comes) = comes.get(times.fetch_add(1, Ordering::SeqCst)) else {
                    return Ok(());
                };
                Err(match comes {
                    Comes::Wait => Stop::Waiting(Wait {
                        event: "somebody".to_owned(),
                        look_again: Duration::from_secs(1_800),
                        reason: "somebody else is to act".to_owned(),
                    }),
                    Comes::Outage => out_of_order(),
                    Comes::SlowDown => slow_down(),
                })
            })
            .await
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    world
}

fn slow_down() -> Stop {
    let class = Class::RateLimited { retry_after: None };
    Stop::Failed(Failure::new(class, "mail_429", "slow down"))
}

#[tokio::test]
async fn who_has_waited_for_somebody_may_still_meet_as_many_outages_as_open_a_breaker() {
    let comes = [[Comes::Wait; 6], [Comes::Outage; 6]].concat();
    let world = world_that(MAIL, comes).await;
    let job = world.enqueue(&TurnsScript::new(WorkspaceId::now_v7(), "call")).await;
    world.drain_all().await;
    assert_eq!((world.standing(job).await.as_str(), world.app.count("call")), ("completed", 13));
    assert_eq!(world.count("engine.history WHERE attempt = 1").await, 1, "no attempt was spent");
    world.finish().await;
}

#[tokio::test]
async fn outages_are_nothing_that_a_steps_own_policy_counts() {
    let retry = Retry::exponential(Duration::from_secs(1)).retries(2);
    let comes = [&[Comes::Outage; 4][..], &[Comes::SlowDown; 2]].concat();
    let world = world_that(MAIL.retry(retry), comes).await;
    let job = world.enqueue(&TurnsScript::new(WorkspaceId::now_v7(), "call")).await;
    world.drain_all().await;
    assert_eq!((world.standing(job).await.as_str(), world.app.count("call")), ("completed", 7));
    world.finish().await;
}

#[tokio::test]
async fn a_breaker_that_is_to_open_late_is_opened_by_one_job_as_well() {
    let mut world = world_of(&Service::down()).await;
    world.config.breakers.failures = 12;
    enqueue_of(&world, 1).await;
    for _ in 0..12 {
        world.drain().await;
        assert_eq!(spent(&world).await, 0, "after {} calls", world.app.count("call"));
        assert!(world.advance_to_next().await);
    }
    let own = "engine.breaker WHERE workspace IS NOT NULL AND opened_at IS NOT NULL";
    assert_eq!(world.count(own).await, 1);
    world.close().await;
}

#[tokio::test]
async fn a_reset_is_not_undone_by_what_a_process_read_before_it() {
    let mut world = world_of(&Service::default()).await;
    world.config.breakers.refresh = Duration::from_secs(3_600);
    let mail = Guarded::parse("mail").unwrap();
    breakers::trip(world.pool(), &mail, "ada", "they announced maintenance").await.unwrap();
    enqueue_of(&world, 3).await;
    let process = world.start();
    world.idle().await;
    assert_eq!(world.app.count("call"), 0);
    assert_eq!(breakers::reset(world.pool(), &mail, "ada", "it is over").await.unwrap(), Some(3));
    world.idle().await;
    assert_eq!(world.app.count("call"), 3, "none waits any more");
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_step_that_asked_nobody_closes_no_breaker() {
    let world = tried_by(|at| {
        at.asked_nobody();
        Ok(())
    })
    .await;
    assert_eq!(log(&world).await.last().map(String::as_str), Some("probed"));
    assert!(of_all(&world).await.unwrap().state.is_open());
    world.close().await;
}

#[tokio::test]
async fn an_open_breaker_that_nobody_waits_for_is_forgotten_after_a_day() {
    let world = world_of(&Service::down()).await;
    enqueue_of(&world, 6).await;
    world.drain().await;
    for (days, cancelled, left) in [(0, false, true), (2, false, true), (0, true, false)] {
        if cancelled {
            for job in world.texts("SELECT id::text FROM engine.job").await {
                ops::cancel(world.pool(), job.parse().unwrap()).await.unwrap();
            }
            assert_eq!(of_all(&world).await.unwrap().waiting, 0, "who has ended waits no more");
        }
        advance(&world, days * 24 * 3_600).await;
        look_after(world.pool()).await.unwrap();
        assert_eq!(of_all(&world).await.is_some(), left, "{days} days, cancelled: {cancelled}");
    }
    assert_eq!(log(&world).await, ["opened", "closed"]);
    world.close().await;
}

#[tokio::test]
async fn an_optional_step_is_not_left_out_for_want_of_a_retry() {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            let done: Outcome<()> = run
                .optional(Step::named("send").calls("mail"), async |at| {
                    at.app.note(label);
                    if at.app.count(label) <= 40 { Err(slow_down()) } else { Ok(()) }
                })
                .await?;
            run.app.note(&format!("{done:?}"));
            Result::Ok(())
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    world.config.breakers.retries = 1;
    enqueue_of(&world, 40).await;
    let process = world.start();
    world.idle().await;
    advance(&world, 60).await;
    world.idle().await;
    let held =
        "engine.step WHERE state = 'waiting' AND detail LIKE '%has spent its retries to mail%'";
    assert!(world.count(held).await > 0, "none of 40 retries was held back");
    process.stop().await;
    world.drain_all().await;
    assert_eq!(world.app.count("Done(())"), 40, "{:?}", world.app.calls());
    assert_eq!(world.count("engine.step WHERE state = 'skipped'").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_reset_locks_jobs_before_their_breaker_as_whoever_tells_of_a_call_does() {
    let world = world_of(&Service::down()).await;
    enqueue_of(&world, 5).await;
    world.drain().await;
    let options = world.pool().connect_options();
    let mut other = sqlx::PgConnection::connect_with(&options).await.unwrap();
    let mut tx = other.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.job FOR UPDATE").execute(&mut *tx).await.unwrap();
    let (pool, mail) = (world.pool().clone(), Guarded::parse("mail").unwrap());
    let reset = tokio::spawn(async move { breakers::reset(&pool, &mail, "ada", "over").await });
    world.waiting_for_locks(1).await;
    sqlx::query("SELECT FROM engine.breaker FOR UPDATE NOWAIT").execute(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    assert!(reset.await.unwrap().unwrap().is_some());
    world.close().await;
}

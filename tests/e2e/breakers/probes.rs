//! Who tries a service that was out of order: one call in the whole fleet, under a lease.

use std::time::Duration;

use autopilot_engine::ops::breakers::State;
use autopilot_engine::{Step, Stop, Wait, WorkspaceId};
use autopilot_tests::{Lab, Script, TurnsScript, World, eventually};

use super::{
    MAIL, Service, advance, enqueue_of, log, of_all, one_at_a_time, out_of_order, spent, tried_by,
    world_of,
};

/// A world whose jobs fail until the gate `probe` stands in their way, and are answered behind it.
async fn gated(opens_after: usize) -> World<Lab> {
    let mut world = Lab::world(move |label, run| {
        Box::pin(async move {
            run.step(MAIL, async |at| {
                at.app.note(label);
                if at.app.count("call") <= opens_after {
                    return Err(out_of_order());
                }
                at.app.note("probe");
                at.app.gate("probe").pass().await;
                Ok(())
            })
            .await
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    world
}

#[tokio::test]
async fn one_call_in_the_whole_fleet_tries_it() {
    let mut world = gated(5).await;
    enqueue_of(&world, 20).await;
    world.drain().await;
    world.config.queues = vec![("default".to_owned(), 4)];
    let fleet = [world.start(), world.start(), world.start()];
    advance(&world, 100).await;
    world.app.gate("probe").reached(1).await;
    // The other nineteen come, find it being tried, and wait again.
    eventually("all others wait", async || {
        world.count("engine.job WHERE state = 0 AND run_at > engine.now()").await == 19
    })
    .await;
    assert_eq!(of_all(&world).await.unwrap().state, State::Probing);
    assert_eq!(world.app.count("probe"), 1);
    world.app.gate("probe").open();
    eventually("it is closed", async || of_all(&world).await.is_none()).await;
    for process in fleet {
        process.stop().await;
    }
    world.drain_all().await;
    assert_eq!(world.count("engine.history WHERE attempt = 1").await, 20);
    assert_eq!(log(&world).await, ["opened", "probed", "closed"]);
    world.finish().await;
}

#[tokio::test]
async fn a_probe_that_fails_keeps_everybody_away_for_as_long_again() {
    let world = world_of(&Service::down()).await;
    enqueue_of(&world, 10).await;
    world.drain().await;
    for round in 1..=4 {
        advance(&world, 91).await;
        world.drain().await;
        assert_eq!(world.app.count("call"), 5 + round, "one call each time");
        assert_eq!(of_all(&world).await.unwrap().state, State::Open);
    }
    assert_eq!(spent(&world).await, 0);
    assert_eq!(
        world.count("engine.breaker WHERE workspace IS NOT NULL AND failures > 1").await,
        0,
        "what is wrong with all says nothing of one"
    );
    assert_eq!(log(&world).await, ["opened", "probed", "probed", "probed", "probed"]);
    world.close().await;
}

#[tokio::test]
async fn a_probe_whose_process_died_makes_room_for_another() {
    let world = gated(5).await;
    enqueue_of(&world, 8).await;
    world.drain().await;
    advance(&world, 100).await;
    let process = world.start();
    world.app.gate("probe").reached(1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    // Not yet: the dead one's lease to try it has not expired.
    world.drain().await;
    assert_eq!(world.app.count("probe"), 1);
    world.app.gate("probe").open();
    advance(&world, 40).await;
    world.drain_all().await;
    assert_eq!(world.count("engine.history WHERE outcome = 'completed'").await, 8);
    world.finish().await;
}

/// Calls that were under way when it opened say nothing new when they fail, and do not close it when they are answered.
#[tokio::test]
async fn calls_that_were_under_way_neither_prolong_nor_close_it() {
    for answered in [false, true] {
        let mut world = Lab::world(move |label, run| {
            Box::pin(async move {
                run.step(MAIL, async |at| {
                    at.app.note(label);
                    if label == "late" {
                        at.app.gate("late").pass().await;
                        if answered {
                            return Ok(());
                        }
                    }
                    Err(out_of_order())
                })
                .await
            })
        })
        .await;
        one_at_a_time(&mut world).await;
        world.config.queues = vec![("default".to_owned(), 2)];
        world.enqueue(&TurnsScript::new(WorkspaceId::now_v7(), "late")).await;
        let process = world.start();
        world.app.gate("late").reached(1).await;
        enqueue_of(&world, 5).await;
        eventually("it is open", async || {
            of_all(&world).await.is_some_and(|breaker| breaker.state == State::Open)
        })
        .await;
        let tried_at = of_all(&world).await.unwrap().tried_at;
        advance(&world, 5).await;
        world.app.gate("late").open();
        let late = "engine.job WHERE state = 1";
        eventually("the late one has ended", async || world.count(late).await == 0).await;
        let breaker = of_all(&world).await.unwrap();
        assert_eq!((breaker.state, breaker.tried_at), (State::Open, tried_at), "{answered}");
        process.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_probe_of_a_step_that_waits_for_somebody_else_tells_nothing_and_is_given_back() {
    let world = tried_by(|_| {
        Err(Stop::Waiting(Wait {
            event: "somebody".to_owned(),
            look_again: Duration::from_secs(3_600),
            reason: "somebody else".to_owned(),
        }))
    })
    .await;
    assert_eq!(of_all(&world).await.unwrap().state, State::Due);
    world.close().await;
}

/// P2: whoever lost its job says nothing of the service either, neither that it is out of order nor that it answers.
#[tokio::test]
async fn l02_a_superseded_attempt_changes_no_breaker() {
    for answers in [false, true] {
        let mut world = Lab::world(move |label, run| {
            Box::pin(async move {
                run.step(MAIL, async |at| {
                    if label == "late" {
                        at.app.gate("call").pass().await;
                    }
                    if label == "late" && answers { Ok(()) } else { Err(out_of_order()) }
                })
                .await
            })
        })
        .await;
        one_at_a_time(&mut world).await;
        // An outage is counted, which an answer would forget.
        enqueue_of(&world, 1).await;
        world.drain().await;
        let counted = of_all(&world).await.map(|breaker| breaker.failures);
        assert_eq!(counted, Some(1));
        // No heartbeat tells the worker that it lost its job.
        world.config.heartbeat = Duration::from_secs(600);
        world.config.lease = Duration::from_secs(3_600);
        world.config.call_timeout = Duration::from_secs(600);
        let job = world.enqueue(&Script::new("late")).await;
        let process = world.start();
        world.app.gate("call").reached(1).await;
        world.execute("UPDATE engine.job SET token = token + 1 WHERE state = 1").await;
        world.app.gate("call").open();
        process.stop().await;
        let counts = of_all(&world).await.map(|breaker| breaker.failures);
        assert_eq!(counts, counted, "job {job}, answered: {answers}");
        world.close().await;
    }
}

#[tokio::test]
async fn a_step_that_does_not_end_in_time_counts() {
    const SLOW: Step = MAIL.timeout(Duration::from_millis(50));
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.step(SLOW, async |at| {
                at.app.note(label);
                std::future::pending::<()>().await;
                Ok(())
            })
            .await
        })
    })
    .await;
    one_at_a_time(&mut world).await;
    enqueue_of(&world, 7).await;
    world.drain().await;
    assert_eq!((world.app.count("call"), spent(&world).await), (5, 0));
    let breaker = of_all(&world).await.unwrap();
    assert!(breaker.reason.contains("did not answer in time"), "{}", breaker.reason);
    world.close().await;
}

//! The queue behind an apalis worker of somebody else's making: whatever his layers do to an attempt, the job is settled by the
//! engine's own rules.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use apalis_core::monitor::Monitor;
use apalis_core::task::Task;
use apalis_core::worker::builder::WorkerBuilder;
use autopilot_engine::{Attempt, Class, Failure, Limit, Retry, WorkerError, enqueue};
use autopilot_tests::{Desk, Gate, Lab, LimitedScript, PATIENCE, Script, World, eventually};
use tracing::{Instrument as _, Span, info_span};
use tracing_subscriber::util::SubscriberInitExt as _;

/// A world where a failed attempt is followed by so many others at once.
fn impatient(world: &mut World<Lab>, retries: u32) {
    world.config.retry = Retry::exponential(Duration::from_millis(1)).retries(retries);
    world.config.queues = vec![("default".to_owned(), 2)];
}

#[tokio::test]
async fn layers_see_each_attempt_and_how_it_ended_and_the_job_decides_what_follows() {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            match run.app.count(label) {
                1 => Err(Failure::new(Class::TransientNetwork, "test", "not yet").into()),
                2 => panic!("a defect"),
                _ => Ok(()),
            }
        })
    })
    .await;
    impatient(&mut world, 1);
    let desk = Desk::default();
    let process = desk.start(&world);
    let job = world.enqueue(&Script::new("one")).await;
    eventually("it has ended", async || {
        let _moved = world.advance_to_next().await;
        world.count("engine.history").await == 1
    })
    .await;
    process.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    // A panic is a crash and spends no attempt, so the second comes twice.
    assert_eq!(
        desk.seen(),
        [
            "test.script 1: TRANSIENT_NETWORK (test): not yet",
            "test.script 2: PROVISIONING_ERROR (panicked): the code of test.script panicked: a defect",
            "test.script 2: Completed",
        ]
    );
    world.finish().await;
}

/// What a layer that is generic over tasks finds of a job.
#[tokio::test]
async fn a_task_says_which_job_it_is_and_whose() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    let job = world.enqueue(&Script::default()).await;
    let told = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&told);
    let process = world.start_behind(|queue, stop| async move {
        let layer = tower::layer::layer_fn(move |inner| {
            let tell = Arc::clone(&tell);
            tower::util::MapRequest::new(inner, move |task: Task<Attempt>| {
                let about = |name: &str| task.metadata().get(name).unwrap_or_default().to_owned();
                let id = task.task_id().map(ToString::to_string);
                *tell.lock().unwrap() = Some((
                    id,
                    task.lock_by().map(str::to_owned),
                    task.attempt(),
                    ["kind", "workspace", "crashes"].map(about),
                ));
                task
            })
        });
        let worker = WorkerBuilder::new("desk").backend(queue).layer(layer).build(Attempt::run);
        let stopped = async move {
            stop.cancelled().await;
            Ok::<(), apalis_core::error::WorkerError>(())
        };
        let ended = worker.run_until(stopped).await;
        ended.map_err(|error| WorkerError::Runner(error.to_string()))
    });
    eventually("it has run", async || world.standing(job).await == "completed").await;
    let process_id: uuid::Uuid = world.value("SELECT id FROM engine.worker").await;
    let nobody = uuid::Uuid::nil().to_string();
    let expected = (
        Some(job.to_string()),
        Some(process_id.to_string()),
        0,
        ["test.script".to_owned(), nobody, "0".to_owned()],
    );
    assert_eq!(told.lock().unwrap().take(), Some(expected));
    process.stop().await;
    world.finish().await;
}

/// On several threads, where attempts may see the end of their worker before the process does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_worker_that_is_dropped_mid_attempt_is_a_crash_and_its_jobs_are_taken_over() {
    const JOBS: usize = 20;
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step("call", async |at| {
                at.app.gate("here").pass().await;
                Ok(())
            })
            .await
        })
    })
    .await;
    world.config.queues = vec![("default".to_owned(), JOBS)];
    for _ in 0..JOBS {
        world.enqueue(&Script::new("one")).await;
    }
    let desk = Desk::default();
    let first = desk.start(&world);
    world.app.gate("here").reached(JOBS).await;
    first.kill().await;
    assert_eq!(world.count("engine.job WHERE state = 1").await, 20, "nothing was written");
    assert_eq!(world.count("engine.failure").await, 0, "no layer has dropped them");
    world.let_leases_lapse().await;
    let second = desk.start(&world);
    world.app.gate("here").reached(2 * JOBS).await;
    world.app.gate("here").open();
    world.idle().await;
    second.stop().await;
    let taken_over =
        "engine.history WHERE (outcome, token, attempt, crashes) = ('completed', 2, 1, 1)";
    assert_eq!(world.count(taken_over).await, 20);
    assert_eq!(desk.seen(), ["test.script 1: Completed"; JOBS]);
    world.finish().await;
}

#[tokio::test]
async fn an_attempt_that_a_layer_gives_up_has_failed_and_gives_its_places_back() {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            run.step("call", async |at| {
                at.app.gate("never").pass().await;
                Ok(())
            })
            .await
        })
    })
    .await;
    impatient(&mut world, 1);
    let desk = Desk::giving_up();
    let process = desk.start(&world);
    let one_at_a_time = [Limit::concurrency("line", 1)];
    let mut jobs = Vec::new();
    for label in ["one", "two"] {
        jobs.push(world.add(LimitedScript::new(label, &one_at_a_time).job()).await);
    }
    world.app.gate("never").reached(1).await;
    desk.give_up();
    eventually("both are set aside", async || {
        let _moved = world.advance_to_next().await;
        world.count("engine.dead_letter").await == 2
    })
    .await;
    process.stop().await;
    for job in jobs {
        assert_eq!(world.standing(job).await, "failed");
    }
    let failures =
        "SELECT concat_ws(' ', code, effect, count(*)) FROM engine.failure GROUP BY code, effect";
    assert_eq!(world.texts(failures).await, ["dropped unknown 4"], "two attempts each");
    assert_eq!(desk.seen().len(), 4, "{:?}", desk.seen());
    world.close().await;
}

#[tokio::test]
async fn what_may_be_done_once_only_stops_for_review_when_a_layer_gives_it_up() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step_once("buy", async |at| {
                at.app.gate("never").pass().await;
                Ok(())
            })
            .await
        })
    })
    .await;
    impatient(&mut world, 0);
    let desk = Desk::giving_up();
    let process = desk.start(&world);
    let job = world.enqueue(&Script::default()).await;
    world.app.gate("never").reached(1).await;
    desk.give_up();
    eventually("it is set aside", async || world.standing(job).await == "review").await;
    process.stop().await;
    assert_eq!(world.app.gate("never").arrivals(), 1);
    world.close().await;
}

#[tokio::test]
async fn a_task_that_a_layer_refuses_is_given_back_and_spends_no_attempt() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            Ok(())
        })
    })
    .await;
    let desk = Desk::refusing(2);
    let process = desk.start(&world);
    let job = world.enqueue(&Script::new("one")).await;
    eventually("it has run", async || {
        let _moved = world.advance_to_next().await;
        world.standing(job).await == "completed"
    })
    .await;
    process.stop().await;
    let end = "SELECT concat_ws('/', token, attempt, crashes) FROM engine.history";
    assert_eq!(world.texts(end).await, ["3/1/0"]);
    assert_eq!(world.app.calls(), ["one"]);
    world.finish().await;
}

#[tokio::test]
async fn a_task_that_a_layer_refuses_makes_room_for_who_waits_for_its_place() {
    let world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    world.clock.freeze().await.unwrap();
    let limits = [Limit::concurrency("line", 1)];
    let jobs = ["one", "two"].map(|label| LimitedScript::new(label, &limits).job());
    enqueue(&mut world.connect().await, &jobs).await.unwrap();
    let desk = Desk::refusing(1);
    let process = desk.start(&world);
    // The clock stands still, so the one that was refused is not due again.
    let refused = "engine.job WHERE state = 0 AND run_at > engine.now()";
    eventually("one is given back", async || world.count(refused).await == 1).await;
    let aside = "engine.job WHERE blocked_on IS NOT NULL";
    assert_eq!(world.count(aside).await, 0, "in the same commit");
    eventually("the other one has run", async || world.count("engine.history").await == 1).await;
    process.stop().await;
    world.drain_all().await;
    assert_eq!(world.count("engine.history WHERE attempt = 1").await, 2);
    world.finish().await;
}

#[tokio::test]
async fn a_stop_claims_nothing_more_lets_what_runs_end_and_gives_the_rest_back() {
    let mut world = Lab::gated().await;
    impatient(&mut world, 0);
    // What waits at the desk must not hold up the drain.
    world.config.drain = PATIENCE * 10;
    let held = Arc::<Gate>::default();
    let desk = Desk::holding(2, &held);
    let running = world.enqueue(&Script::new("running")).await;
    let process = desk.start(&world);
    world.app.gate("here").reached(1).await;
    let waiting = world.enqueue(&Script::new("waiting")).await;
    held.reached(1).await;
    let late = world.enqueue(&Script::new("late")).await;
    process.ask_to_stop();
    let claimer =
        "pg_stat_activity WHERE datname = current_database() AND application_name LIKE '%claimer'";
    eventually("it claims no more", async || world.count(claimer).await == 0).await;
    world.app.gate("here").open();
    eventually("it has left", async || world.count("engine.worker").await == 0).await;
    held.open();
    process.stop().await;
    assert_eq!(world.standing(running).await, "completed");
    for job in [waiting, late] {
        assert_eq!(world.standing(job).await, "ready");
    }
    let rows = "SELECT concat_ws('/', token, attempt, crashes) FROM engine.job ORDER BY created_at";
    assert_eq!(
        world.texts(rows).await,
        ["1/0/0", "0/0/0"],
        "one was given back, one never claimed"
    );
    assert_eq!(
        desk.seen(),
        ["test.script 1: Completed", "test.script 1: the job is not this attempt's any more"]
    );
    world.drain().await;
    world.finish().await;
}

#[tokio::test]
async fn what_outlasts_the_grace_time_is_released_with_its_token() {
    let mut world = Lab::gated().await;
    world.clock.freeze().await.unwrap();
    world.config.drain = Duration::ZERO;
    let desk = Desk::default();
    let job = world.enqueue(&Script::new("endless")).await;
    let process = desk.start(&world);
    world.app.gate("here").reached(1).await;
    process.stop().await;
    let row = "SELECT concat_ws('/', state, token, attempt, crashes) FROM engine.job";
    assert_eq!(world.texts(row).await, ["0/1/0/0"]);
    assert_eq!(desk.seen(), ["test.script 1: the job is not this attempt's any more"]);
    world.app.gate("here").open();
    world.drain().await;
    assert_eq!(world.standing(job).await, "completed");
    world.finish().await;
}

#[tokio::test]
async fn a_process_that_was_declared_dead_goes_on_as_another_under_the_same_worker() {
    let mut world = Lab::gated().await;
    world.config.heartbeat = Duration::from_millis(50);
    let desk = Desk::default();
    let job = world.enqueue(&Script::default()).await;
    let process = desk.start(&world);
    world.app.gate("here").reached(1).await;
    let first: uuid::Uuid = world.value("SELECT id FROM engine.worker").await;
    world
        .execute(
            "WITH gone AS (DELETE FROM engine.worker RETURNING id, host, pid)
             INSERT INTO engine.dead_worker (id, host, pid) SELECT id, host, pid FROM gone",
        )
        .await;
    world.app.gate("here").reached(2).await;
    world.app.gate("here").open();
    world.idle().await;
    let second: uuid::Uuid = world.value("SELECT id FROM engine.worker").await;
    assert_ne!(first, second);
    process.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!(
        desk.seen(),
        ["test.script 1: the job is not this attempt's any more", "test.script 1: Completed"]
    );
    world.finish().await;
}

#[tokio::test]
async fn a_monitors_worker_runs_the_code_in_the_span_of_its_layers_and_drains_with_it() {
    let spans = tracing_subscriber::registry().set_default();
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.note(Span::current().metadata().map_or("none", |span| span.name()));
            run.app.gate("here").pass().await;
            Ok(())
        })
    })
    .await;
    let job = world.enqueue(&Script::default()).await;
    let process = world.start_behind(|queue, stop| async move {
        let queue = Mutex::new(Some(queue));
        let monitor = Monitor::new().register(move |_| {
            let queue = queue.lock().unwrap().take().unwrap();
            let traced = |attempt: Attempt| attempt.run().instrument(info_span!("theirs"));
            WorkerBuilder::new("desk").backend(queue).build(traced)
        });
        let stopped = async move {
            stop.cancelled().await;
            Ok(())
        };
        let ended = monitor.run_with_signal(stopped).await;
        ended.map_err(|error| WorkerError::Runner(error.to_string()))
    });
    world.app.gate("here").reached(1).await;
    process.ask_to_stop();
    world.app.gate("here").open();
    process.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!(world.app.calls(), ["theirs"]);
    assert_eq!(world.count("engine.worker").await, 0, "it has left");
    drop(spans);
    world.finish().await;
}

#[tokio::test]
async fn what_cannot_start_ends_the_worker_with_the_reason() {
    let mut world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    world.config.queues.clear();
    let told = Arc::new(Mutex::new(String::new()));
    let tell = Arc::clone(&told);
    let process = world.start_behind(|queue, _| async move {
        let worker = WorkerBuilder::new("desk").backend(queue).build(Attempt::run);
        *tell.lock().unwrap() = worker.run().await.unwrap_err().to_string();
        Ok(())
    });
    process.stop().await;
    let told = told.lock().unwrap().clone();
    assert!(told.contains("at least one queue must be served"), "{told}");
    world.finish().await;
}

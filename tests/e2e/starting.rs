//! Jobs that begin in the process that asks for them, and are as safe there as any other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use autopilot_engine::{Class, Ended, Enqueued, Failure, NewJob, Stop};
use autopilot_tests::{Cut, Lab, PlannedScript, Proxy, Script, World, listening};

async fn gated() -> World<Lab> {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            run.app.gate("here").pass().await;
            run.step("one", async |at| at.app.call("one", &at.key)).await
        })
    })
    .await;
    world.config.listen = true;
    world
}

fn script(label: &str) -> NewJob {
    NewJob::of(&Script::new(label)).unwrap()
}

#[tokio::test]
async fn a_started_job_runs_here_without_a_claim() {
    let world = gated().await;
    let (process, starter) = world.start_here(world.pool().clone());
    listening(&world, 1).await;
    let started = starter.start(script("a")).await.unwrap();
    let row = "SELECT concat_ws('/', state, token, attempt) FROM engine.job";
    assert_eq!(world.texts(row).await, ["1/1/1"], "on disk, and running");
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert!(matches!(started, Enqueued::New(_)));
    assert_eq!(world.count("engine.history WHERE token = 1 AND attempt = 1").await, 1);
    assert_eq!(world.count("engine.step WHERE state = 'done' AND starts = 1").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn a_started_job_outlives_its_process() {
    let world = gated().await;
    let (process, starter) = world.start_here(world.pool().clone());
    listening(&world, 1).await;
    let _started = starter.start(script("a")).await.unwrap();
    world.app.gate("here").reached(1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    world.app.gate("here").open();
    world.drain().await;
    assert_eq!(world.app.calls(), ["a", "a", "one"]);
    assert_eq!(world.count("engine.history WHERE token = 2 AND crashes = 1").await, 1);
    world.finish().await;
}

/// What the job's row says has begun.
const BEGUN: &str = "SELECT concat_ws('/', step, starts, begun_at IS NOT NULL) FROM engine.job";

fn planned() -> NewJob {
    NewJob::of(&PlannedScript::default()).unwrap()
}

#[tokio::test]
async fn the_first_step_of_its_plan_is_on_disk_as_begun_together_with_the_job() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step_once("one", async |at| {
                at.app.gate("in one").pass().await;
                at.app.call("one", &at.key)
            })
            .await
        })
    })
    .await;
    world.config.listen = true;
    let (process, starter) = world.start_here(world.pool().clone());
    listening(&world, 1).await;
    let _started = starter.start(planned()).await.unwrap();
    assert_eq!(world.texts(BEGUN).await, ["one/1/t"]);
    world.app.gate("in one").reached(1).await;
    assert_eq!(world.texts(BEGUN).await, ["one/1/t"], "begun once");
    process.kill().await;
    world.let_leases_lapse().await;
    world.app.gate("in one").open();
    world.drain_all().await;
    assert_eq!(world.app.count("one"), 0, "nobody knows how far it came: it is not repeated");
    assert_eq!(world.count("engine.dead_letter WHERE reason = 'review'").await, 1);
    world.close().await;
}

#[tokio::test]
async fn a_run_that_begins_with_another_step_leaves_no_trace_of_the_first_in_its_plan() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.note("tried");
            if run.app.count("tried") == 1 {
                run.step("two", async |at| {
                    at.app.gate("in two").pass().await;
                    Ok(())
                })
                .await?;
                return Err(Stop::Failed(Failure::new(Class::TransientNetwork, "later", "")));
            }
            run.step_once("one", async |at| at.app.call("one", &at.key)).await
        })
    })
    .await;
    world.config.listen = true;
    let (process, starter) = world.start_here(world.pool().clone());
    listening(&world, 1).await;
    let _started = starter.start(planned()).await.unwrap();
    world.app.gate("in two").reached(1).await;
    assert_eq!(world.texts(BEGUN).await, ["two/1/t"]);
    world.app.gate("in two").open();
    world.idle().await;
    process.stop().await;
    world.drain_all().await;
    assert_eq!(world.app.count("one"), 1, "it had not begun before");
    assert_eq!(world.count("engine.step WHERE name = 'one' AND starts = 1").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn an_attempt_that_ends_before_its_first_step_has_begun_none() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.note("tried");
            if run.app.count("tried") == 1 {
                return Err(Stop::Failed(Failure::new(Class::TransientNetwork, "later", "")));
            }
            run.step_once("one", async |at| at.app.call("one", &at.key)).await
        })
    })
    .await;
    world.config.listen = true;
    let (process, starter) = world.start_here(world.pool().clone());
    listening(&world, 1).await;
    let _started = starter.start(planned()).await.unwrap();
    world.idle().await;
    process.stop().await;
    world.drain_all().await;
    assert_eq!(world.app.count("one"), 1);
    world.finish().await;
}

#[tokio::test]
async fn where_it_cannot_begin_here_it_waits_in_the_queue() {
    let mut world = gated().await;
    world.config.queues = vec![("default".to_owned(), 1)];
    world.app.gate("here").open();
    let (process, starter) = world.start_here(world.pool().clone());
    process.stop().await;
    let queued = starter.start(script("no worker")).await.unwrap();
    assert_eq!(world.standing(queued.id()).await, "ready");
    let keyed = starter.start(script("keyed").key("event")).await.unwrap();
    assert_eq!(starter.start(script("keyed").key("event")).await.unwrap().id(), keyed.id());
    world.drain().await;
    assert_eq!(world.app.count("keyed"), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_full_process_leaves_the_next_one_to_others() {
    let mut world = gated().await;
    world.config.queues = vec![("default".to_owned(), 1)];
    let (process, starter) = world.start_here(world.pool().clone());
    listening(&world, 1).await;
    let _first = starter.start(script("first")).await.unwrap();
    let second = starter.start(script("second")).await.unwrap();
    world.app.gate("here").reached(1).await;
    assert_eq!(world.standing(second.id()).await, "ready");
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!((world.app.count("first"), world.app.count("second")), (1, 1));
    world.finish().await;
}

#[tokio::test]
async fn l12_a_start_whose_answer_was_lost_begins_once() {
    for cut in [Cut::Answer(b"odd-label".to_vec()), Cut::Request(b"odd-label".to_vec())] {
        let world = gated().await;
        world.app.gate("here").open();
        let proxy = Proxy::start(&world.url()).await;
        let pool = proxy.pool(&world.url()).await;
        let (process, starter) = world.start_here(pool);
        listening(&world, 1).await;
        proxy.arm(cut);
        assert!(matches!(starter.start(script("odd-label")).await, Ok(Enqueued::New(_))));
        assert_eq!(proxy.cuts(), 1);
        world.idle().await;
        process.stop().await;
        assert_eq!(world.app.calls(), ["odd-label", "one"]);
        assert_eq!(world.count("engine.history WHERE token = 1").await, 1);
        world.finish().await;
    }
}

#[tokio::test]
async fn whoever_waits_here_is_told_after_the_end_is_committed() {
    let told = Arc::new(AtomicUsize::new(0));
    let telling = Arc::clone(&told);
    let world = Lab::world(move |label, run| {
        let telling = Arc::clone(&telling);
        Box::pin(async move {
            run.when_ended(move |app: &Lab, ended| {
                telling.fetch_add(1, Ordering::Relaxed);
                app.note(&format!("{ended:?}"));
            });
            if label == "skips" { Err(Stop::skip("nothing to do")) } else { Ok(()) }
        })
    })
    .await;
    world.enqueue(&Script::new("ends")).await;
    world.drain().await;
    assert_eq!(world.app.calls(), [format!("{:?}", Ended::Completed)]);
    world.enqueue(&Script::new("skips")).await;
    world.drain().await;
    assert_eq!(world.app.count(&format!("{:?}", Ended::SetAside)), 1);
    assert_eq!(told.load(Ordering::Relaxed), 2);
    world.close().await;
}

//! Pauses: nothing begins of what is paused, everything is kept, and all of it comes back.

use autopilot_engine::ops::pauses::{self, Scope};
use autopilot_engine::{JobId, WorkspaceId};
use autopilot_tests::{Lab, Script, TurnsScript, World, eventually};

async fn pause(world: &World<Lab>, scope: &Scope) {
    pauses::pause(world.pool(), scope, "the carrier is down").await.unwrap();
}

async fn resume(world: &World<Lab>, scope: &Scope) {
    assert!(pauses::resume(world.pool(), scope).await.unwrap());
    assert!(!pauses::resume(world.pool(), scope).await.unwrap(), "it was not paused any more");
}

/// A job of a workspace beside one of nobody's; which of them ran.
async fn begun_beside(world: &World<Lab>, workspace: WorkspaceId) -> (usize, usize) {
    world.add(TurnsScript::new(workspace, "paused").job()).await;
    world.enqueue(&Script::new("beside")).await;
    eventually("the other one runs", async || world.app.count("beside") == 1).await;
    (world.app.count("paused"), world.app.count("beside"))
}

#[tokio::test]
async fn a_paused_workspace_or_kind_waits_and_everybody_else_goes_on() {
    let workspace = WorkspaceId::now_v7();
    for scope in [Scope::Workspace(workspace), Scope::Kind("test.turns".to_owned())] {
        let world = World::noting().await;
        // One that is there before the pause, one that comes into it.
        world.add(TurnsScript::new(workspace, "paused").job()).await;
        pause(&world, &scope).await;
        let process = world.start();
        assert_eq!(begun_beside(&world, workspace).await, (0, 1));
        let paused = pauses::list(world.pool()).await.unwrap();
        assert_eq!((paused[0].aside, paused[0].reason.as_str()), (1, "the carrier is down"));
        resume(&world, &scope).await;
        eventually("both run", async || world.app.count("paused") == 2).await;
        process.stop().await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_paused_queue_keeps_its_jobs_in_their_order() {
    let mut world = World::noting().await;
    world.config.queues = vec![("default".to_owned(), 1)];
    let queue = Scope::Queue("default".to_owned());
    pause(&world, &queue).await;
    let jobs: Vec<JobId> = {
        let mut jobs = Vec::new();
        for label in ["first", "second", "third"] {
            jobs.push(world.enqueue(&Script::new(label)).await);
        }
        jobs
    };
    let process = world.start();
    // Another queue's claim has been through meanwhile: one look at least.
    eventually("it is alive", async || world.count("engine.worker").await == 1).await;
    process.stop().await;
    assert_eq!(world.app.calls(), [] as [&str; 0]);
    for job in jobs {
        assert_eq!(world.standing(job).await, "ready");
    }
    resume(&world, &queue).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["first", "second", "third"]);
    world.finish().await;
}

#[tokio::test]
async fn what_runs_when_its_kind_is_paused_ends_and_a_retry_waits() {
    let world = World::lab(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            run.app.gate("here").pass().await;
            if run.app.count(label) == 1 { Err(failed()) } else { Ok(()) }
        })
    })
    .await;
    world.enqueue(&Script::new("fails")).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    let scope = Scope::Kind("test.script".to_owned());
    pause(&world, &scope).await;
    world.app.gate("here").open();
    eventually("its attempt has ended", async || world.count("engine.failure").await == 1).await;
    assert!(world.advance_to_next().await);
    process.stop().await;
    resume(&world, &scope).await;
    world.drain().await;
    assert_eq!(world.app.count("fails"), 2);
    world.finish().await;
}

fn failed() -> autopilot_engine::Stop {
    autopilot_engine::Failure::new(autopilot_engine::Class::TransientNetwork, "test", "failed")
        .into()
}

#[tokio::test]
async fn a_job_that_is_to_begin_here_waits_in_the_queue_while_anything_is_paused() {
    let world = World::noting().await;
    let queue = Scope::Queue("default".to_owned());
    let (process, starter) = world.start_here(world.pool().clone());
    eventually("it is alive", async || world.count("engine.worker").await == 1).await;
    pause(&world, &queue).await;
    let job = starter.start(Script::new("later").job()).await.unwrap().id();
    assert_eq!(world.standing(job).await, "ready");
    resume(&world, &queue).await;
    eventually("it runs", async || world.app.count("later") == 1).await;
    process.stop().await;
    world.finish().await;
}

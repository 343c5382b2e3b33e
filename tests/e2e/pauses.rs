//! Pauses: nothing begins of what is paused, everything is kept, and all of it comes back.

use autopilot_engine::ops::pauses::{self, Scope};
use autopilot_engine::{Job, JobId, Priority, Registry, Result, Run, WorkspaceId};
use autopilot_tests::{Lab, Script, TurnsScript, World, eventually};
use serde::{Deserialize, Serialize};

async fn pause(world: &World<Lab>, scope: &Scope) {
    pauses::pause(world.pool(), scope, "the carrier is down").await.unwrap();
}

async fn resume(world: &World<Lab>, scope: &Scope) {
    assert!(pauses::resume(world.pool(), scope).await.unwrap());
    assert!(!pauses::resume(world.pool(), scope).await.unwrap(), "it was not paused any more");
}

/// A job of a workspace that takes no turns with others.
#[derive(Serialize, Deserialize)]
struct Visit {
    workspace: WorkspaceId,
    label: String,
}

impl Job for Visit {
    type App = Lab;
    const KIND: &'static str = "test.visit";

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.app.note(&self.label);
        Ok(())
    }
}

/// A job in another queue.
#[derive(Serialize, Deserialize)]
struct Beside;

impl Job for Beside {
    type App = Lab;
    const KIND: &'static str = "test.beside";
    const QUEUE: &'static str = "beside";

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.app.note("beside");
        Ok(())
    }
}

/// A world with one slot a queue: what stands first is taken first.
async fn narrow() -> World<Lab> {
    let registry = Registry::new().register::<Visit>().register::<Beside>().register::<Script>();
    let lab = Lab::new(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            Ok(())
        })
    });
    let mut world = World::new(lab, registry, &[]).await;
    world.config.queues = vec![("default".to_owned(), 1), ("beside".to_owned(), 1)];
    world
}

#[tokio::test]
async fn a_paused_workspace_or_kind_waits_and_everybody_else_goes_on() {
    let workspace = WorkspaceId::now_v7();
    for scope in [Scope::Workspace(workspace), Scope::Kind("test.visit".to_owned())] {
        let world = narrow().await;
        let visit = Visit { workspace, label: "paused".to_owned() };
        // One that is there before the pause, one that comes into it and stands before the other one.
        world.enqueue(&visit).await;
        pause(&world, &scope).await;
        world.enqueue(&visit).await;
        world.add(Script::new("beside").job().priority(Priority::Low)).await;
        let process = world.start();
        eventually("the other one runs", async || world.app.count("beside") == 1).await;
        assert_eq!(world.app.count("paused"), 0);
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
    let world = narrow().await;
    let queue = Scope::Queue("default".to_owned());
    pause(&world, &queue).await;
    let mut jobs: Vec<JobId> = Vec::new();
    for label in ["first", "second", "third"] {
        jobs.push(world.enqueue(&Script::new(label)).await);
    }
    world.enqueue(&Beside).await;
    let process = world.start();
    // The claim that takes it asks both queues.
    eventually("the other queue's job runs", async || world.app.count("beside") == 1).await;
    process.stop().await;
    assert_eq!(world.app.calls(), ["beside"]);
    for job in jobs {
        assert_eq!(world.standing(job).await, "ready");
    }
    resume(&world, &queue).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["beside", "first", "second", "third"]);
    world.finish().await;
}

#[tokio::test]
async fn what_runs_when_its_kind_is_paused_ends_and_a_retry_waits() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            run.app.gate("here").pass().await;
            if label == "fails" && run.app.count(label) == 1 { Err(failed()) } else { Ok(()) }
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
    world.add(TurnsScript::new(WorkspaceId::NONE, "beside").job().priority(Priority::Low)).await;
    eventually("another one has run", async || world.app.count("beside") >= 1).await;
    process.stop().await;
    assert_eq!(world.app.count("fails"), 1, "its retry is paused");
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
    let world = Lab::noting().await;
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

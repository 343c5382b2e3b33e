//! The storm in short form, and the proof that its audit sees what the fence prevents.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use autopilot_engine::testing::CrashPoints;
use autopilot_tests::storm::{self, Pace, Plan, audit};
use autopilot_tests::{Lab, Process, Script, World, eventually};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// The program under test, beside the folder of the test programs.
pub(crate) fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let target = here.parent().and_then(|deps| deps.parent()).unwrap();
    let program = target.join("autopilot");
    assert!(
        program.is_file(),
        "{} is not built: `make test` builds it, and so does `cargo build -p autopilot`",
        program.display()
    );
    program
}

#[tokio::test]
async fn storm_short_form() {
    let folder = std::env::temp_dir().join(format!("autopilot-storm-{}", std::process::id()));
    let report = storm::run(Plan {
        workflows: 50,
        workers: 3,
        fence: true,
        keys: true,
        pace: Pace::Short,
        seed: 20_261_121,
        program: program(),
        folder: folder.clone(),
    })
    .await;
    assert!(report.is_clean(), "{:#?}", report.verdict.violations());
    assert!(report.kills > 0, "nobody was killed: {report:?}");
    assert_eq!(report.verdict.studios, 50);
    drop(std::fs::remove_dir_all(folder));
}

/// A worker whose writes the audit takes for those of process `number`.
async fn start_as(world: &World<Lab>, number: u32) -> Process {
    let options = PgConnectOptions::from_str(&world.url()).unwrap();
    let options = options.application_name(&format!("autopilot/{number}"));
    let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
    let process = world.start_with(pool, CrashPoints::none());
    let own = i64::from(std::process::id());
    let fresh = format!("engine.worker WHERE pid = {own}");
    eventually("the worker is registered", async || world.count(&fresh).await == 1).await;
    world.execute(&format!("UPDATE engine.worker SET pid = {number} WHERE pid = {own}")).await;
    process
}

/// Lets a second worker take a job over while the first is in the middle of its step and knows nothing of it, and
/// then lets the first one write. What the audit noted: what was written, by whom, and who held the job.
async fn a_late_write(fence: bool) -> Vec<String> {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step("one", async |at| {
                at.app.note("begun");
                let gate = if at.app.count("begun") == 1 { "first" } else { "second" };
                at.app.gate(gate).pass().await;
                Ok(())
            })
            .await?;
            run.step("two", async |_| Ok(())).await
        })
    })
    .await;
    // No heartbeat tells the first worker that it lost its job: only the fence can refuse it.
    world.config.heartbeat = Duration::from_secs(600);
    world.config.lease = Duration::from_secs(3_600);
    world.config.call_timeout = Duration::from_secs(600);
    world.config.queues = vec![("default".to_owned(), 1)];
    audit::watch(world.pool()).await;
    if !fence {
        audit::take_the_fence_away(world.pool()).await;
    }
    let job = world.enqueue(&Script::default()).await;
    let first = start_as(&world, 1).await;
    world.app.gate("first").reached(1).await;
    let second = start_as(&world, 2).await;
    // As a rescue frees it. The first worker's one slot is taken, so it is the second that claims it.
    let free = "UPDATE engine.job SET state = 0, worker = NULL; DELETE FROM audit.stale_write";
    world.execute(free).await;
    world.app.gate("second").reached(1).await;
    let holder = format!(
        "engine.job j JOIN engine.worker w ON w.id = j.worker WHERE j.id = '{job}' AND w.pid = 2"
    );
    assert_eq!(world.count(&holder).await, 1, "the second worker holds the job");
    world.app.gate("first").open();
    first.stop().await;
    world.app.gate("second").open();
    second.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    let noted = "SELECT DISTINCT concat_ws(' ', what, 'by', writer, 'of', owner) FROM audit.stale_write ORDER BY 1";
    let noted = world.texts(noted).await;
    world.close().await;
    noted
}

#[tokio::test]
async fn a_superseded_attempts_late_write_is_refused_by_the_fence() {
    assert_eq!(a_late_write(true).await, [""; 0]);
}

#[tokio::test]
async fn without_the_fence_the_audit_sees_the_late_write() {
    assert_eq!(
        a_late_write(false).await,
        ["ack by 1 of 2", "checkpoint one by 1 of 2", "start of two by 1 of 2"]
    );
}

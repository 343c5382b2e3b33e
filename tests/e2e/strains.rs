//! A database that is full or slow: the worker survives it, loses nothing, and says which it is and what to do.

use std::time::Duration;

use autopilot_engine::Strain;
use autopilot_engine::doctor::{self, Finding, Verdict};
use autopilot_engine::ops::strains::{self, Met};
use autopilot_engine::testing::CrashPoints;
use autopilot_tests::{Lab, Script, World, eventually};
use sqlx::Connection as _;
use sqlx::postgres::PgPoolOptions;

use crate::operators::say;

/// What its workers tell of late.
async fn told(world: &World<Lab>) -> Vec<Met> {
    let mut conn = world.pool().acquire().await.unwrap();
    strains::list(&mut conn).await.unwrap()
}

async fn is_told(world: &World<Lab>, strain: Strain) -> bool {
    told(world).await.iter().any(|met| met.strain == strain)
}

/// What the doctor says of it.
async fn diagnosis(world: &World<Lab>) -> Finding {
    let findings = doctor::queue(world.pool()).await.unwrap();
    findings.into_iter().find(|finding| finding.check == "strain").unwrap()
}

#[tokio::test]
async fn a_full_pool_is_told_and_the_job_is_done_when_there_is_room() {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.step("send", async |at| {
                at.app.note(label);
                let _first = at.pool.acquire().await?;
                if at.app.count(label) == 1 {
                    // More than there are.
                    let _second = at.pool.acquire().await?;
                }
                Ok(())
            })
            .await
        })
    })
    .await;
    world.config.heartbeat = Duration::from_millis(50);
    assert_eq!(diagnosis(&world).await.verdict, Verdict::Ok);
    let options = world.pool().connect_options().as_ref().clone();
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(1));
    let process = world.start_with(pool.connect_lazy_with(options), CrashPoints::none());
    let job = world.enqueue(&Script::new("greedy")).await;
    eventually("it is told", async || is_told(&world, Strain::FullPool).await).await;
    let finding = diagnosis(&world).await;
    assert_eq!(finding.verdict, Verdict::Warning);
    assert!(finding.detail.contains("all connections of the process are taken"), "{finding:?}");
    assert!(finding.action.unwrap().contains("database.max_connections"));
    assert!(!is_told(&world, Strain::Away).await && !is_told(&world, Strain::FullServer).await);
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "completed");
    process.stop().await;
    world.finish().await;
}

/// What a server says whose disk is full, as often as something is written down.
const FULL: &str = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'could not extend file \"base/16384/16400\": No space left on device'
        USING ERRCODE = '53100', HINT = 'Check free disk space.';
    END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON engine.step FOR EACH STATEMENT EXECUTE FUNCTION full_disk()";

#[tokio::test]
async fn a_full_disk_is_told_with_what_to_do_and_nothing_is_lost() {
    let lab = Lab::new(|label, run| {
        Box::pin(async move { run.step("send", async |at| at.app.call(label, &at.key)).await })
    });
    let mut world = World::new(lab, Lab::registry(), &[&autopilot_workflows::MIGRATOR]).await;
    world.config.heartbeat = Duration::from_millis(50);
    sqlx::raw_sql(FULL).execute(world.pool()).await.unwrap();
    let job = world.enqueue(&Script::new("here")).await;
    let process = world.start();
    eventually("it is told", async || is_told(&world, Strain::FullDisk).await).await;
    let finding = diagnosis(&world).await;
    assert_eq!(finding.verdict, Verdict::Problem);
    for part in ["the database server's disk is full", "No space left on device", "1 processes"] {
        assert!(finding.detail.contains(part), "{part}: {}", finding.detail);
    }
    let (code, said, _) = say(&world.url(), "health").await;
    assert_eq!(code, 1, "{said}");
    for part in [
        "CRITICAL database: the database server's disk is full",
        "next: nothing that was acknowledged is lost",
        "do:   make room where the server keeps its data and its WAL",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    world.execute("DROP TRIGGER full_disk ON engine.step").await;
    world.idle().await;
    assert_eq!((world.standing(job).await.as_str(), world.app.count("here")), ("completed", 1));
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_slow_database_is_told() {
    let mut world = Lab::gated().await;
    world.config.heartbeat = Duration::from_secs(2);
    world.config.lease = Duration::from_secs(60);
    let process = world.start();
    let beats = "engine.worker WHERE seen > started_at";
    eventually("it beats", async || world.count(beats).await == 1).await;
    // How long the heartbeat has waited for the lock: for more than a second, it is enough.
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND query LIKE '%UPDATE engine.worker SET seen%' AND clock_timestamp() - query_start > interval '1.1 s')";
    let mut holder = world.connect().await;
    eventually("it is told", async || {
        let mut lock = holder.begin().await.unwrap();
        sqlx::query("LOCK TABLE engine.worker").execute(&mut *lock).await.unwrap();
        eventually("a heartbeat waits", async || world.value::<bool>(waits).await).await;
        lock.rollback().await.unwrap();
        eventually("it beats again", async || {
            world.value::<bool>("SELECT now() - seen < interval '1 s' FROM engine.worker").await
        })
        .await;
        is_told(&world, Strain::Slow).await
    })
    .await;
    let finding = diagnosis(&world).await;
    assert_eq!(finding.verdict, Verdict::Warning);
    assert!(finding.detail.contains("a heartbeat took"), "{finding:?}");
    process.stop().await;
    world.finish().await;
}

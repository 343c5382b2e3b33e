//! Cron: each tick once, however many processes there are and whatever dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use autopilot_engine::ops::schedules;
use autopilot_engine::testing::CrashPoints;
use autopilot_engine::{Missed, Overlap, Registry, Schedule};
use autopilot_tests::{Lab, Proxy, Script, World, eventually};
use sqlx::Connection;

const MINUTE: Duration = Duration::from_secs(60);

fn every_minute(name: &str) -> Schedule {
    let label = name.to_owned();
    Schedule::new(name, "* * * * *", move |_| Script::new(&label)).unwrap().overlap(Overlap::Allow)
}

/// A world with these schedules whose jobs note their label, its clock at rest half a minute past.
async fn clockwork(schedules: Vec<Schedule>) -> World<Lab> {
    let registry = schedules.into_iter().fold(Lab::registry(), Registry::schedule);
    let lab = Lab::new(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            if label == "slow" {
                run.app.gate("here").pass().await;
            }
            Ok(())
        })
    });
    let world = World::new(lab, registry, &[]).await;
    world.clock.freeze().await.unwrap();
    let past: f64 =
        world.value("SELECT (60 - extract(second FROM engine.now()))::float8 + 30").await;
    world.clock.advance(Duration::from_secs_f64(past)).await.unwrap();
    world
}

async fn known(world: &World<Lab>, count: i64) {
    eventually("the schedules are known", async || world.count("engine.schedule").await == count)
        .await;
}

#[tokio::test]
async fn five_processes_make_one_job_of_each_tick() {
    let schedules = (0..20).map(|number| every_minute(&format!("s{number}"))).collect();
    let world = clockwork(schedules).await;
    let processes: Vec<_> = (0..5).map(|_| world.start()).collect();
    known(&world, 20).await;
    for minute in 1..=3 {
        world.clock.advance_alive(MINUTE).await.unwrap();
        eventually("every tick is taken", async || world.count("engine.tick").await == 20 * minute)
            .await;
        world.idle().await;
        eventually("all have run", async || {
            i64::try_from(world.app.calls().len()).unwrap() == 20 * minute
        })
        .await;
    }
    assert_eq!(world.count("engine.tick WHERE job IS NULL").await, 0);
    for process in processes {
        process.kill().await;
    }
    world.close().await;
}

#[tokio::test]
async fn what_was_missed_is_caught_up_as_its_policy_says() {
    let schedules = vec![
        every_minute("all").missed(Missed::All),
        every_minute("one").missed(Missed::One),
        every_minute("skip").missed(Missed::Skip),
    ];
    let world = clockwork(schedules).await;
    let process = world.start();
    known(&world, 3).await;
    process.stop().await;
    // The last of ten ticks is half a minute ago, so even who skips takes that one.
    world.clock.advance(10 * MINUTE).await.unwrap();
    let process = world.start();
    eventually("all is caught up", async || world.app.calls().len() == 12).await;
    world.idle().await;
    process.stop().await;
    let count = |label| world.app.count(label);
    assert_eq!((count("all"), count("one"), count("skip")), (10, 1, 1));
    world.close().await;
}

#[tokio::test]
async fn a_tick_that_would_overlap_is_skipped_and_says_why() {
    let world = clockwork(vec![every_minute("slow").overlap(Overlap::Skip)]).await;
    let process = world.start();
    known(&world, 1).await;
    world.clock.advance_alive(MINUTE).await.unwrap();
    world.app.gate("here").reached(1).await;
    world.clock.advance_alive(MINUTE).await.unwrap();
    eventually("the tick is noted", async || world.count("engine.tick").await == 2).await;
    let why = "SELECT skipped FROM engine.tick WHERE job IS NULL";
    assert_eq!(world.texts(why).await, ["the job of the tick before has not ended"]);
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_schedule_is_paused_resumed_run_now_and_removed() {
    let world = clockwork(vec![every_minute("hourly")]).await;
    let process = world.start();
    known(&world, 1).await;
    schedules::pause(world.pool(), "hourly", "holidays").await.unwrap();
    world.clock.advance_alive(3 * MINUTE).await.unwrap();
    schedules::run_now(world.pool(), "hourly").await.unwrap();
    eventually("it runs now", async || world.app.count("hourly") == 1).await;
    let list = schedules::list(world.pool()).await.unwrap();
    assert!(list[0].paused && list[0].known && list[0].reason.as_deref() == Some("holidays"));
    assert!(schedules::remove(world.pool(), "hourly").await.is_err(), "somebody looks after it");
    process.stop().await;
    let error = schedules::run_now(world.pool(), "hourly").await.unwrap_err().to_string();
    assert!(error.contains("no living worker looks after"), "{error}");
    let error = schedules::pause(world.pool(), "daily", "").await.unwrap_err().to_string();
    assert_eq!(error, r#"there is no schedule "daily"; there is hourly"#);
    schedules::remove(world.pool(), "hourly").await.unwrap();
    assert_eq!(world.count("engine.tick").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_schedule_that_has_changed_begins_anew_and_its_tick_is_told_when_it_was_due() {
    let told =
        Schedule::new("told", "0 * * * *", |tick| Script::new(&tick.at.to_rfc3339())).unwrap();
    let world = clockwork(vec![told]).await;
    world
        .execute(
            "INSERT INTO engine.schedule (name, cron, zone, kind, next_at)
             VALUES ('told', '0 0 1 1 *', 'UTC', 'test.script', engine.now() + interval '99 days')",
        )
        .await;
    let process = world.start();
    eventually("it is known", async || {
        world.count("engine.schedule WHERE cron = '0 * * * *'").await == 1
    })
    .await;
    let due = r#"SELECT to_char(next_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS+00:00') FROM engine.schedule"#;
    let due: String = world.value(due).await;
    world.clock.advance_alive(60 * MINUTE).await.unwrap();
    eventually("it ticks", async || world.app.calls() == [due.clone()]).await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn of_two_versions_of_a_schedule_the_younger_processs_ticks_as_long_as_it_is_there() {
    let yearly = || Schedule::new("told", "0 0 1 1 *", |_| Script::new("old")).unwrap();
    let minutely =
        Schedule::new("told", "* * * * *", |_| Script::new("new")).unwrap().overlap(Overlap::Allow);
    let world = clockwork(vec![yearly()]).await;
    let stands_as = async |cron: &str| {
        let wanted = format!("engine.schedule WHERE cron = '{cron}'");
        eventually(cron, async || world.count(&wanted).await == 1).await;
    };
    let old = world.start();
    stands_as("0 0 1 1 *").await;
    let new = world.start_as(Lab::registry().schedule(minutely));
    stands_as("* * * * *").await;
    for minute in 1..=8 {
        world.clock.advance_alive(MINUTE).await.unwrap();
        eventually("it ticks", async || world.count("engine.tick").await == minute).await;
    }
    world.idle().await;
    assert_eq!(
        world.app.calls(),
        ["new"; 8],
        "by its own calendar, though the older one looks too"
    );
    new.stop().await;
    stands_as("0 0 1 1 *").await;
    old.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_schedule_that_cannot_tick_is_tried_again_in_peace_and_holds_up_no_other() {
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let too_long = Schedule::new("too long", "* * * * *", move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Script::new(&"x".repeat(2 << 20))
    });
    let world = clockwork(vec![too_long.unwrap(), every_minute("fine")]).await;
    let process = world.start();
    known(&world, 2).await;
    world.clock.advance_alive(MINUTE).await.unwrap();
    eventually("it is tried", async || tries.load(Ordering::Relaxed) > 0).await;
    let since = Instant::now();
    eventually("and twice again", async || tries.load(Ordering::Relaxed) >= 3).await;
    assert!(since.elapsed() > Duration::from_secs(3), "twice in {:?}", since.elapsed());
    assert_eq!(world.app.calls(), ["fine"]);
    process.stop().await;
    world.close().await;
}

#[tokio::test]
async fn a_schedule_that_another_process_is_at_is_not_asked_for_in_a_loop() {
    let world = clockwork(vec![every_minute("held"), every_minute("fine")]).await;
    let proxy = Proxy::start(&world.url()).await;
    let process = world.start_with(proxy.pool(&world.url()).await, CrashPoints::none());
    known(&world, 2).await;
    let mut other = world.connect().await;
    let mut tx = other.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.schedule WHERE name = 'held' FOR UPDATE")
        .execute(&mut *tx)
        .await
        .unwrap();
    world.clock.advance_alive(MINUTE).await.unwrap();
    eventually("the other one ticks", async || world.app.count("fine") == 1).await;
    let (since, before) = (Instant::now(), proxy.said());
    let asked = async || proxy.said().since(before).statements > 60;
    eventually("it is asked again", asked).await;
    assert!(since.elapsed() > Duration::from_millis(500), "{:?}", since.elapsed());
    tx.commit().await.unwrap();
    eventually("what was held ticks", async || world.app.count("held") == 1).await;
    process.stop().await;
    world.close().await;
}

#[test]
#[should_panic(expected = "schedule nightly is registered twice")]
fn two_schedules_of_one_name_stop_the_program_at_its_start() {
    let registry =
        Lab::registry().schedule(every_minute("nightly")).schedule(every_minute("nightly"));
    drop(Arc::new(registry));
}

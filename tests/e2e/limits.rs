//! Limits: so many at a time, so many in a time, over all processes, whatever crashes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use autopilot_engine::{Class, Failure, Limit, NewJob, Priority, Stop, ops};
use autopilot_tests::{Inside, Lab, LimitedScript, eventually};
use sqlx::Connection;

const LOCK: &str = include_str!("../../engine/sql/limit/lock.sql");
const STANDINGS: &str = include_str!("../../engine/sql/limit/standings.sql");
const SETTLE: &str = include_str!("../../engine/sql/limit/settle.sql");

const SECOND: Duration = Duration::from_secs(1);

fn one(key: &str) -> [Limit; 1] {
    [Limit::concurrency(key, 1)]
}

#[tokio::test]
async fn no_more_run_at_a_time_than_the_key_allows_over_all_processes() {
    let world = Lab::gated().await;
    let two = [Limit::concurrency("key", 2)];
    world.add_all((0..6).map(|_| LimitedScript::new("runs", &two).job()).collect()).await;
    let processes = [world.start(), world.start()];
    world.app.gate("here").reached(2).await;
    eventually("the others stand aside", async || world.aside().await == 4).await;
    assert_eq!(world.app.count("runs"), 2);
    assert_eq!(
        world.count("engine.job WHERE lane = 9 AND attempt > 0").await,
        0,
        "no attempt is spent"
    );
    world.app.gate("here").open();
    world.idle().await;
    eventually("all have run", async || world.count("engine.history").await == 6).await;
    for process in processes {
        process.stop().await;
    }
    world.finish().await;
}

#[tokio::test]
async fn whoever_judges_a_key_waits_for_whoever_is_just_judging_it() {
    let world = Lab::noting().await;
    let lock = || sqlx::query(LOCK).bind(vec!["key"]);
    let (mut one, mut other) = (world.connect().await, world.connect().await);
    lock().execute(&mut one).await.unwrap();
    let mut judging = one.begin().await.unwrap();
    lock().execute(&mut *judging).await.unwrap();
    let waiting = tokio::spawn(async move { lock().execute(&mut other).await.unwrap() });
    world.waiting_for_locks(1).await;
    judging.commit().await.unwrap();
    waiting.await.unwrap();
    drop(one);
    world.close().await;
}

#[tokio::test]
async fn who_judges_a_claim_that_is_not_his_any_more_takes_nobodys_place() {
    let world = Lab::gated().await;
    world.add_all(vec![LimitedScript::new("runs", &one("key")).job()]).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    let (job, token): (uuid::Uuid, i64) =
        sqlx::query_as("SELECT job, token FROM engine.slot").fetch_one(world.pool()).await.unwrap();
    let mut conn = world.connect().await;
    for (token, running) in [(token, 0), (token - 1, 1)] {
        let standing = sqlx::query_as::<_, Stands>(STANDINGS);
        let standing = standing.bind(["key"]).bind([""; 0]).bind([job]).bind([token]);
        assert_eq!(standing.fetch_one(&mut conn).await.unwrap().running, running);
    }
    let (nobody, never) = (Vec::<uuid::Uuid>::new(), Vec::<chrono::DateTime<chrono::Utc>>::new());
    let stale = sqlx::query(SETTLE)
        .bind(uuid::Uuid::now_v7())
        .bind(["key"])
        .bind([job])
        .bind([token - 1])
        .bind(&nobody)
        .bind(Vec::<i64>::new())
        .bind([""; 0])
        .bind(&nobody)
        .bind(Vec::<i64>::new())
        .bind(&never)
        .bind([""; 0])
        .bind(&never)
        .bind(["key"])
        .bind([job])
        .bind([token - 1])
        .bind([false]);
    assert!(stale.fetch_all(&mut conn).await.unwrap().is_empty(), "it does not begin");
    assert_eq!(world.count(&format!("engine.slot WHERE token = {token}")).await, 1, "as it was");
    drop(conn);
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    world.finish().await;
}

/// How many run with a key.
#[derive(sqlx::FromRow)]
struct Stands {
    #[sqlx(rename = "running!")]
    running: i64,
}

#[tokio::test]
async fn a_race_for_many_keys_never_lets_in_one_too_many() {
    static RUNNING: [AtomicI64; 3] = [const { AtomicI64::new(0) }; 3];
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            let key: usize = label.parse().unwrap();
            let before = RUNNING[key].fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            if before > i64::try_from(key).unwrap() {
                run.app.note("one too many");
            }
            // What ends it is written after this: whoever comes next cannot begin before.
            RUNNING[key].fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
    })
    .await;
    let jobs = (0..300_u32).map(|number| {
        let key = number % 3;
        let limits = [Limit::concurrency(format!("key {key}"), key + 1)];
        LimitedScript::new(&key.to_string(), &limits).job()
    });
    world.add_all(jobs.collect()).await;
    let processes = [world.start(), world.start(), world.start()];
    eventually("all have run", async || world.count("engine.history").await == 300).await;
    assert_eq!(world.app.count("one too many"), 0);
    for process in processes {
        process.stop().await;
    }
    world.finish().await;
}

#[tokio::test]
async fn a_place_is_not_leaked_by_a_crash() {
    let world = Lab::gated().await;
    world.add_all(vec![LimitedScript::new("first", &one("key")).job()]).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    let job = LimitedScript::new("second", &one("key")).job();
    world.add(job).await;
    eventually("it stands aside", async || world.aside().await == 1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    world.app.gate("here").open();
    let other = world.start();
    eventually("both have run", async || world.count("engine.history").await == 2).await;
    other.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn whoever_is_cancelled_makes_room() {
    let world = Lab::gated().await;
    let first = world.add(LimitedScript::new("first", &one("key")).job()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    world.add(LimitedScript::new("second", &one("key")).job()).await;
    eventually("it stands aside", async || world.aside().await == 1).await;
    ops::cancel(world.pool(), first).await.unwrap();
    eventually("the second begins", async || world.app.count("second") == 1).await;
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn whoever_is_called_in_and_cancelled_before_he_begins_calls_the_next() {
    let world = Lab::gated().await;
    let first = world.add(LimitedScript::new("first", &one("key")).job()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    let second = world.add(LimitedScript::new("second", &one("key")).job()).await;
    world.add(LimitedScript::new("third", &one("key")).job()).await;
    eventually("both stand aside", async || world.aside().await == 2).await;
    process.kill().await;
    // Nobody claims while the first and then the second, which is called in, are cancelled.
    ops::cancel(world.pool(), first).await.unwrap();
    assert_eq!((world.standing(second).await.as_str(), world.aside().await), ("ready", 1));
    ops::cancel(world.pool(), second).await.unwrap();
    assert_eq!(world.aside().await, 0);
    world.app.gate("here").open();
    world.let_leases_lapse().await;
    world.drain().await;
    assert_eq!(world.app.count("third"), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_run_that_sleeps_or_waits_for_its_retry_takes_no_place() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            match label {
                "sleeps" => run.sleep("night", Duration::from_secs(3_600)).await,
                "fails" => {
                    Err(Failure::new(Class::TransientNetwork, "test", "the network failed").into())
                }
                _ => Ok(()),
            }
        })
    })
    .await;
    for label in ["sleeps", "fails", "runs"] {
        world.add(LimitedScript::new(label, &one("key")).job()).await;
    }
    world.clock.freeze().await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("runs"), 1);
    assert_eq!(world.count("engine.job").await, 2, "one sleeps, one will be retried");
    world.close().await;
}

#[tokio::test]
async fn turns_come_evenly_however_many_ask_for_them() {
    let world = Lab::noting().await;
    world.clock.freeze().await.unwrap();
    let pair = [Limit::rate("pair", 1, 6 * SECOND)];
    world.add_all((0..4).map(|_| LimitedScript::new("sent", &pair).job()).collect()).await;
    for sent in 1..=4 {
        let processes = [world.start(), world.start()];
        world.idle().await;
        for process in processes {
            process.stop().await;
        }
        assert_eq!(world.app.count("sent"), sent);
        world.clock.advance_alive(6 * SECOND).await.unwrap();
    }
    world.finish().await;
}

#[tokio::test]
async fn a_retry_takes_another_turn() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            if run.app.count(label) < 2 {
                return Err(Failure::new(Class::TransientNetwork, "test", "failed").into());
            }
            Ok(())
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    let hourly = [Limit::rate("key", 1, 3_600 * SECOND)];
    world.add(LimitedScript::new("sent", &hourly).job()).await;
    world.drain().await;
    world.clock.advance_alive(600 * SECOND).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("sent"), 1, "its retry is due, but not its turn");
    world.clock.advance_alive(3_000 * SECOND).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("sent"), 2);
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_comes_back_from_the_dead_letters_keeps_its_limits() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            if label == "dies" && run.app.count(label) == 1 {
                return Err(Stop::skip("nothing to do it with"));
            }
            run.app.gate("here").pass().await;
            Ok(())
        })
    })
    .await;
    let dead = world.add(LimitedScript::new("dies", &one("key")).job()).await;
    world.drain().await;
    world.add(LimitedScript::new("holds", &one("key")).job()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    assert_eq!(ops::retry(world.pool(), dead).await.unwrap(), "default");
    eventually("it stands aside", async || world.aside().await == 1).await;
    world.app.gate("here").open();
    eventually("it has run", async || world.app.count("dies") == 2).await;
    world.idle().await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn of_those_that_one_claim_brings_the_best_begins_first() {
    let world = Lab::noting().await;
    let job = |label| LimitedScript::new(label, &one("key")).job();
    world.add(job("low").priority(Priority::Low)).await;
    world.add(job("critical").priority(Priority::Critical)).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["critical", "low"]);
    world.finish().await;
}

#[test]
fn a_limit_that_makes_no_sense_is_refused_before_anything_is_written() {
    let error = NewJob::of(&LimitedScript::new("", &[Limit::concurrency("key", 0)])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a job of kind test.limited cannot be enqueued: the limit \"key\" lets none run at a time; \
         pause the queue, the kind or the workspace instead"
    );
}

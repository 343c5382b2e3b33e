//! What keeps a process from the database is noted by whichever loop meets it, and not by the claim loop alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::alarm::Alarm;
use super::judge::Judge;
use super::{cron, listen, rescue};
use crate::MIGRATOR;
use crate::config::WorkerConfig;
use crate::cron::{Missed, Overlap, Schedule};
use crate::failure::Result;
use crate::ids::WorkerId;
use crate::job::Job;
use crate::lease::Lease;
use crate::run::Run;
use crate::strain::{Strain, Strains};
use crate::testing::{TestDatabase, eventually};

#[derive(Debug, Serialize, Deserialize)]
struct Ring;

impl Job for Ring {
    type App = ();
    const KIND: &'static str = "ring";

    async fn run(&self, _: &mut Run<'_, ()>) -> Result {
        Ok(())
    }
}

/// A pool to a server that is not there.
fn nobody() -> PgPool {
    let nobody = PgConnectOptions::new().host("127.0.0.1").port(1);
    PgPoolOptions::new().acquire_timeout(Duration::from_millis(50)).connect_lazy_with(nobody)
}

#[tokio::test]
async fn who_cannot_ask_which_schedule_is_due_ends_its_round() {
    let database = TestDatabase::create(&[&MIGRATOR]).await;
    let schedules = [Schedule::new("ring", "@hourly", |_| Ring).unwrap()];
    let (strains, worker) = (Strains::default(), WorkerId::now_v7());
    cron::round(database.pool(), worker, &strains, None, &schedules).await.unwrap();
    let due = "UPDATE engine.schedule SET next_at = engine.now() - interval '1 minute'";
    sqlx::query(due).execute(database.pool()).await.unwrap();
    let options = database.pool().connect_options().as_ref().clone();
    let options = options.options([("default_transaction_read_only", "on")]);
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    let round = cron::round(&pool, worker, &strains, None, &schedules);
    let ended = tokio::time::timeout(Duration::from_secs(20), round).await;
    let error = ended.expect("it does not ask again and again").unwrap_err();
    assert_eq!(Strain::of(&error), Some(Strain::ReadOnly), "{error}");
    pool.close().await;
    database.close().await;
}

#[tokio::test]
async fn a_younger_process_keeps_a_schedule_to_itself_until_it_lets_it_go() {
    let database = TestDatabase::create(&[&MIGRATOR]).await;
    let pool = database.pool();
    let (older, younger) = (WorkerId::now_v7(), WorkerId::now_v7());
    for (worker, age) in [(older, 2.0), (younger, 1.0)] {
        let register =
            "INSERT INTO engine.worker (id, host, pid, version, kinds, queues, schedules, lease, started_at)
             VALUES ($1, 'here', 1, '1', '{}', '{}', '{ring}', interval '1 minute', engine.clock() - make_interval(secs => $2))";
        sqlx::query(register).bind(worker.uuid()).bind(age).execute(pool).await.unwrap();
    }
    let text = |text| [Schedule::new("ring", text, |_| Ring).unwrap()];
    let strains = Strains::default();
    let look = async |worker, schedules: [Schedule; 1]| {
        cron::round(pool, worker, &strains, None, &schedules).await.unwrap();
        let text = sqlx::query_scalar::<_, String>("SELECT cron FROM engine.schedule");
        text.fetch_one(pool).await.unwrap()
    };
    assert_eq!(look(older, text("@daily")).await, "@daily", "nobody else has begun");
    assert_eq!(look(younger, text("@hourly")).await, "@hourly");
    assert_eq!(look(older, text("@daily")).await, "@hourly", "the younger one's text counts");
    let due = "UPDATE engine.schedule SET next_at = engine.now() - interval '1 day'";
    sqlx::query(due).execute(pool).await.unwrap();
    cron::let_go(pool, younger).await;
    assert_eq!(look(older, text("@daily")).await, "@daily", "as soon as that drains");
    let taken = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM engine.tick");
    assert!(taken.fetch_one(pool).await.unwrap() > 0, "what was due is not lost");
    assert_eq!(look(younger, text("@hourly")).await, "@daily", "who has let go has let go");
    database.close().await;
}

#[tokio::test]
async fn a_tick_that_was_taken_is_not_due_again_though_a_changed_text_says_so() {
    let database = TestDatabase::create(&[&MIGRATOR]).await;
    let pool = database.pool();
    let (strains, worker) = (Strains::default(), WorkerId::now_v7());
    let schedules = [Schedule::new("ring", "* * * * *", |_| Ring)
        .unwrap()
        .missed(Missed::All)
        .overlap(Overlap::Allow)];
    let round = async || cron::round(pool, worker, &strains, None, &schedules).await.unwrap();
    let ticks = async || {
        let ticks = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM engine.tick");
        ticks.fetch_one(pool).await.unwrap()
    };
    round().await;
    let run = async |statement: &'static str| sqlx::query(statement).execute(pool).await.unwrap();
    run("UPDATE engine.schedule SET next_at = date_trunc('minute', engine.now()) - interval '2 minutes'").await;
    round().await;
    let taken = ticks().await;
    assert!(taken >= 3, "{taken}");
    run("UPDATE engine.schedule SET next_at = last_at").await;
    round().await;
    let due = "SELECT count(*) FROM engine.schedule WHERE next_at <= last_at";
    let due = sqlx::query_scalar::<_, i64>(due).fetch_one(pool).await.unwrap();
    assert_eq!(due, 0, "it goes on, with {taken} ticks taken before and {} after", ticks().await);
    let before = ticks().await;
    run("UPDATE engine.schedule SET last_at = engine.now() + interval '1 day', next_at = date_trunc('minute', engine.now()) - interval '9 minutes'").await;
    round().await;
    assert!(ticks().await >= before + 7, "whatever a clock said that was ahead");
    database.close().await;
}

#[tokio::test]
async fn a_tick_that_was_asked_for_while_the_schedule_is_paused_takes_none_of_the_others() {
    let database = TestDatabase::create(&[&MIGRATOR]).await;
    let pool = database.pool();
    let (strains, worker) = (Strains::default(), WorkerId::now_v7());
    let schedules = [Schedule::new("ring", "@hourly", |_| Ring)
        .unwrap()
        .missed(Missed::All)
        .overlap(Overlap::Allow)];
    let round = async || cron::round(pool, worker, &strains, None, &schedules).await.unwrap();
    let ticks = async || {
        let ticks = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM engine.tick");
        ticks.fetch_one(pool).await.unwrap()
    };
    let run = async |statement: &'static str| sqlx::query(statement).execute(pool).await.unwrap();
    round().await;
    run("UPDATE engine.schedule SET paused = true, asked = true, next_at = date_trunc('hour', engine.now()) - interval '3 hours'").await;
    round().await;
    assert_eq!(ticks().await, 1);
    run("UPDATE engine.schedule SET paused = false").await;
    round().await;
    assert!(ticks().await >= 5, "what was missed while it was paused");
    run("UPDATE engine.schedule SET asked = true, next_at = engine.now() + interval '1 day'").await;
    round().await;
    let far =
        "SELECT count(*) FROM engine.schedule WHERE next_at > engine.now() + interval '1 hour'";
    let far = sqlx::query_scalar::<_, i64>(far).fetch_one(pool).await.unwrap();
    assert_eq!(far, 0, "it also mends what a clock that was ahead has written");
    database.close().await;
}

async fn is_noted(what: &str, strains: &Strains, running: impl Future<Output = ()>) {
    let noted =
        eventually(what, async || strains.of_late().iter().any(|met| met.strain == Strain::Away));
    tokio::select! {
        () = running => panic!("{what} ended"),
        () = noted => {}
    }
}

#[tokio::test]
async fn a_judge_notes_what_keeps_it_from_judging() {
    let (pool, strains) = (nobody(), Strains::default());
    let lease = Lease::new(Duration::from_secs(10), Instant::now(), strains.clone());
    let (hands, _inbox) = mpsc::channel(1);
    let mut judge = Judge::new(&pool, lease, hands, Arc::default());
    is_noted("the judge", &strains, judge.judge(Vec::new())).await;
}

#[tokio::test]
async fn a_rescue_notes_what_keeps_it_from_rescuing() {
    let (strains, died) = (Strains::default(), Arc::new(Notify::new()));
    died.notify_one();
    let running = rescue::run(nobody(), strains.clone(), died, || {}, CancellationToken::new());
    is_noted("the rescue", &strains, running).await;
}

#[tokio::test]
async fn who_listens_notes_what_keeps_it_from_listening() {
    let (strains, alarm) = (Strains::default(), Alarm::new(&WorkerConfig::default()));
    let running = listen::run(nobody(), strains.clone(), alarm, CancellationToken::new());
    is_noted("the listener", &strains, running).await;
}

#[tokio::test]
async fn who_looks_after_schedules_notes_what_keeps_it_from_that() {
    let strains = Strains::default();
    let schedules = Arc::from([Schedule::new("ring", "@hourly", |_| Ring).unwrap()]);
    let (worker, stop) = (WorkerId::now_v7(), CancellationToken::new());
    let running = cron::run(nobody(), worker, strains.clone(), None, schedules, stop);
    is_noted("the schedules", &strains, running).await;
}

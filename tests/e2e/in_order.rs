//! Jobs of a key that run one after another, in the order in which they were enqueued, whatever happens between.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use autopilot_engine::testing::look_after;
use autopilot_engine::{
    Class, Failure, JobId, Limit, NewJob, Priority, Stop, doctor, enqueue, ops,
};
use autopilot_tests::{Inside, Lab, LimitedScript, World, eventually};

const HOUR: Duration = Duration::from_secs(3_600);

fn job(label: &str) -> NewJob {
    LimitedScript::new(label, &[Limit::in_order("key")]).job()
}

/// One that those behind it go past when it is set aside.
fn passable(label: &str) -> NewJob {
    LimitedScript::new(label, &[Limit::in_order("key").may_be_passed()]).job()
}

async fn status(world: &World<Lab>, job: JobId) -> String {
    ops::jobs::show(world.pool(), job).await.unwrap().job.status
}

/// Jobs note their labels; "dies" is set aside until it is put back, "gate" waits at the gate.
async fn dying() -> World<Lab> {
    Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            match label {
                "dies" if run.app.count(label) == 1 => Err(Stop::skip("nothing to do it with")),
                "gate" => {
                    run.app.gate("here").pass().await;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    })
    .await
}

#[tokio::test]
async fn in_order_the_next_begins_when_the_one_before_has_ended_and_not_when_it_only_rests() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            match label {
                "fails" if run.app.count(label) < 3 => {
                    Err(Failure::new(Class::TransientNetwork, "test", "the network failed").into())
                }
                "sleeps" => run.sleep("night", HOUR).await,
                "waits" => run.wait_for::<u8>("paid", "paid/7", 24 * HOUR).await.map(drop),
                _ => Ok(()),
            }
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    world.add_all(["fails", "sleeps", "waits", "late"].map(job).into()).await;
    // Neither the best lane nor being due earlier brings anybody past them.
    world.add_all(vec![job("later").after(HOUR), job("last").priority(Priority::Critical)]).await;
    world.add(LimitedScript::new("another key's", &[Limit::in_order("other")]).job()).await;
    world.drain().await;
    assert_eq!(world.app.count("fails"), 1);
    assert_eq!(world.app.count("another key's"), 1);
    assert_eq!(world.count("engine.job WHERE lane = 9 AND attempt = 0").await, 4);
    for _ in 0..2 {
        assert!(world.advance_to_next().await);
        world.drain().await;
    }
    assert_eq!((world.app.count("fails"), world.app.count("sleeps")), (3, 1));
    world.clock.advance_alive(HOUR).await.unwrap();
    world.drain().await;
    assert_eq!((world.app.count("sleeps"), world.app.count("waits")), (2, 1));
    ops::events::emit(&mut world.connect().await, "paid/7", &1).await.unwrap();
    world.drain_all().await;
    let calls = world.app.calls();
    let key: Vec<&String> = calls.iter().filter(|call| *call != "another key's").collect();
    let expected =
        ["fails", "fails", "fails", "sleeps", "sleeps", "waits", "waits", "late", "later", "last"];
    assert_eq!(key, expected);
    assert_eq!(world.count("engine.sequence").await, 0, "nobody is left in line");
    world.finish().await;
}

#[tokio::test]
async fn one_whose_transaction_commits_after_the_next_has_begun_waits_for_its_end() {
    let world = dying().await;
    let mut tx = world.pool().begin().await.unwrap();
    let early = enqueue(&mut tx, &[job("early")]).await.unwrap()[0].id();
    let gate = world.add(job("gate")).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    tx.commit().await.unwrap();
    eventually("it stands aside", async || status(&world, early).await == "aside").await;
    let why = ops::jobs::show(world.pool(), early).await.unwrap().aside.unwrap();
    assert!(why.contains(&format!("run in order, and {gate} has not ended")), "{why}");
    world.app.gate("here").open();
    eventually("both have run", async || world.count("engine.history").await == 2).await;
    assert_eq!(world.app.calls(), ["gate", "early"]);
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn one_that_is_set_aside_holds_up_those_behind_it_until_somebody_decides() {
    let world = dying().await;
    let ids = world.add_all(["dies", "second", "dies", "fourth"].map(job).into()).await;
    world.drain().await;
    assert_eq!(world.app.calls(), ["dies"]);
    let told = doctor::queue(world.pool()).await.unwrap();
    let letters = told.iter().find(|finding| finding.check == "dead letters").unwrap();
    assert!(
        letters.detail.contains("1 wait for a person and hold up 3 that come after them"),
        "{letters:?}"
    );
    // The minutely look lets nobody past it either.
    look_after(world.pool()).await.unwrap();
    assert_eq!(world.aside().await, 3);
    ops::retry(world.pool(), ids[0]).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.calls(), ["dies", "dies", "second", "dies", "fourth"]);
    world.finish().await;
}

#[tokio::test]
async fn one_that_is_given_up_lets_those_behind_it_go_on() {
    let world = dying().await;
    let ids = world.add_all(["dies", "gate", "third"].map(job).into()).await;
    world.drain().await;
    ops::cancel(world.pool(), ids[0]).await.unwrap();
    let process = world.start();
    world.app.gate("here").reached(1).await;
    eventually("the third stands aside", async || world.aside().await == 1).await;
    ops::cancel(world.pool(), ids[1]).await.unwrap();
    eventually("the third has run", async || world.count("engine.sequence").await == 0).await;
    assert_eq!(world.app.calls(), ["dies", "gate", "third"]);
    process.kill().await;
    world.close().await;
}

#[tokio::test]
async fn one_that_may_be_passed_comes_last_when_it_is_put_back() {
    let world = dying().await;
    let ids = world.add_all(["dies", "gate", "third"].map(passable).into()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    ops::retry(world.pool(), ids[0]).await.unwrap();
    eventually("both stand aside", async || world.aside().await == 2).await;
    world.app.gate("here").open();
    eventually("all have run", async || world.count("engine.history").await == 3).await;
    assert_eq!(world.app.calls(), ["dies", "gate", "third", "dies"]);
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn one_that_was_quarantined_and_may_be_passed_does_not_come_back_beside_another() {
    let world = dying().await;
    let ids = world.add_all(["gate", "second", "gate"].map(passable).into()).await;
    for crash in 1..=3 {
        let process = world.start();
        world.app.gate("here").reached(crash).await;
        process.kill().await;
        world.let_leases_lapse().await;
    }
    let process = world.start();
    eventually("it is quarantined", async || status(&world, ids[0]).await == "quarantined").await;
    eventually("it stands in no line any more", async || {
        world.count(&format!("engine.sequence WHERE job = '{}'", ids[0])).await == 0
    })
    .await;
    world.app.gate("here").reached(4).await;
    ops::retry(world.pool(), ids[0]).await.unwrap();
    eventually("it stands aside", async || status(&world, ids[0]).await == "aside").await;
    world.app.gate("here").open();
    eventually("all have run", async || world.count("engine.history").await == 3).await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_place_that_was_left_behind_brings_nobody_before_those_who_have_passed_it() {
    let world = dying().await;
    let dead = world.add(passable("dies")).await;
    world.drain().await;
    // As when a quarantine was not looked after yet.
    let left = format!(
        "INSERT INTO engine.sequence (key, job, holds, begun) VALUES ('order/key', '{dead}', false, true)"
    );
    world.execute(&left).await;
    world.add(passable("gate")).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    ops::retry(world.pool(), dead).await.unwrap();
    eventually("it stands aside", async || status(&world, dead).await == "aside").await;
    world.app.gate("here").open();
    eventually("both have run", async || world.count("engine.history").await == 2).await;
    process.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn one_whose_process_dies_goes_on_before_those_behind_it() {
    let world = dying().await;
    world.add_all(["gate", "second"].map(job).into()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.kill().await;
    world.let_leases_lapse().await;
    world.app.gate("here").open();
    world.drain().await;
    assert_eq!(world.app.calls(), ["gate", "gate", "second"]);
    world.finish().await;
}

#[tokio::test]
async fn one_that_is_put_back_after_its_end_comes_last() {
    let world = dying().await;
    let ids = world.add_all(["first", "gate", "third"].map(job).into()).await;
    ops::cancel(world.pool(), ids[0]).await.unwrap();
    let process = world.start();
    world.app.gate("here").reached(1).await;
    ops::retry(world.pool(), ids[0]).await.unwrap();
    eventually("both stand aside", async || world.aside().await == 2).await;
    world.app.gate("here").open();
    eventually("all have run", async || world.app.count("first") == 1).await;
    assert_eq!(world.app.calls(), ["gate", "third", "first"]);
    world.idle().await;
    process.stop().await;
    world.finish().await;
}

/// Some jobs sleep for a moment, three processes claim whatever they can, and still each key's jobs end in their order and never two of
/// them run at a time.
#[tokio::test]
async fn a_race_for_many_sequences_keeps_the_order_of_each() {
    static RUNNING: [AtomicI64; 4] = [const { AtomicI64::new(0) }; 4];
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            let (key, number) = label.split_once(' ').unwrap();
            let running = &RUNNING[key.parse::<usize>().unwrap()];
            if running.fetch_add(1, Ordering::SeqCst) > 0 {
                run.app.note("two at a time");
            }
            tokio::task::yield_now().await;
            // What lets the next one begin is written after this.
            running.fetch_sub(1, Ordering::SeqCst);
            if number.ends_with(['1', '3', '5']) {
                run.sleep("nap", Duration::from_millis(1)).await?;
            }
            run.app.note(label);
            Ok(())
        })
    })
    .await;
    let jobs: Vec<NewJob> = (0..160_u32)
        .map(|number| {
            let key = number % 4;
            let limits = [Limit::in_order(format!("key {key}"))];
            LimitedScript::new(&format!("{key} {number}"), &limits).job()
        })
        .collect();
    for batch in jobs.chunks(23) {
        world.add_all(batch.to_vec()).await;
    }
    let processes = [world.start(), world.start(), world.start()];
    eventually("all have run", async || world.count("engine.history").await == 160).await;
    let mut ended: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for call in world.app.calls() {
        let (key, number) = call.split_once(' ').unwrap();
        ended.entry(key.to_owned()).or_default().push(number.parse().unwrap_or(u32::MAX));
    }
    for (key, numbers) in ended {
        assert!(numbers.is_sorted() && numbers.len() == 40, "{key}: {numbers:?}");
    }
    for process in processes {
        process.stop().await;
    }
    world.finish().await;
}

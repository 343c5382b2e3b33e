//! Turns between workspaces and the ageing of priorities: nobody waits for a backlog that is not his.

use std::time::Duration;

use autopilot_engine::ops::weights;
use autopilot_engine::{Class, Failure, Job, Priority, WorkspaceId, hint};
use autopilot_tests::{
    Explained, Lab, Script, TurnsScript, World, add_and_hint, eventually, listening,
};

const LOOK: &str = include_str!("../../engine/sql/look.sql");

/// Enqueues a workspace's jobs at once.
async fn backlog(world: &World<Lab>, workspace: WorkspaceId, label: &str, count: usize) {
    let job = || TurnsScript::new(workspace, label).job();
    world.add_all((0..count).map(|_| job()).collect()).await;
}

async fn one_at_a_time() -> World<Lab> {
    let mut world = Lab::noting().await;
    world.config.queues = vec![("default".to_owned(), 1)];
    world
}

#[tokio::test]
async fn a_workspace_with_a_backlog_does_not_hold_up_another() {
    let world = one_at_a_time().await;
    let (many, few) = (WorkspaceId::now_v7(), WorkspaceId::now_v7());
    backlog(&world, many, "many", 50).await;
    backlog(&world, few, "few", 2).await;
    world.drain().await;
    let calls = world.app.calls();
    let last = calls.iter().rposition(|call| call == "few").unwrap();
    assert!(last < 5, "the other one's turn came: {calls:?}");
    world.finish().await;
}

#[tokio::test]
async fn a_workspace_that_comes_into_a_backlog_is_found_without_a_hint_and_with_one() {
    for listen in [false, true] {
        let mut world = one_at_a_time().await;
        world.config.listen = listen;
        backlog(&world, WorkspaceId::now_v7(), "many", 10_000).await;
        let process = world.start();
        eventually("it is at it", async || world.app.count("many") > 10).await;
        let late = TurnsScript::new(WorkspaceId::now_v7(), "late").job();
        if listen {
            add_and_hint(&world, late).await;
        } else {
            world.add(late).await;
        }
        eventually("the late one runs", async || world.app.count("late") == 1).await;
        assert!(world.count("engine.job").await > 0, "not only when the backlog was gone");
        process.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_newcomer_waits_for_one_slot_and_not_until_a_claim_is_worth_its_while() {
    let mut world = Lab::world(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            run.app.gate(if label == "first" { "first" } else { "rest" }).pass().await;
            Ok(())
        })
    })
    .await;
    world.config.queues = vec![("default".to_owned(), 8)];
    // Nothing comes about without a hint.
    world.config.listen = true;
    world.config.poll_min = Duration::from_secs(600);
    world.config.poll_max = Duration::from_secs(600);
    let process = world.start();
    let large = WorkspaceId::now_v7();
    let first = TurnsScript::new(large, "first").job();
    world.add(first.clone()).await;
    backlog(&world, large, "many", 50).await;
    listening(&world, 1).await;
    hint(world.pool(), &first).await;
    world.app.gate("rest").reached(7).await;
    add_and_hint(&world, TurnsScript::new(WorkspaceId::now_v7(), "late").job()).await;
    world.app.gate("first").open();
    eventually("the late one runs", async || world.app.count("late") == 1).await;
    assert_eq!(world.app.count("many"), 7, "one slot became free");
    process.kill().await;
    world.close().await;
}

#[tokio::test]
async fn a_look_reads_no_more_of_a_workspace_that_has_a_backlog() {
    let world = Lab::noting().await;
    let mut shares: Vec<i32> = Vec::new();
    for number in 0..100 {
        let workspace = WorkspaceId::now_v7();
        backlog(&world, workspace, "some", if number == 50 { 10_000 } else { 1 }).await;
        let share = format!("SELECT engine.share('{workspace}')");
        shares.push(world.value(&share).await);
    }
    world.execute("ANALYZE engine.job").await;
    shares.sort_unstable();
    // The process knows every second one, and looks for others between them.
    let known: Vec<i32> = std::iter::once(0).chain(shares.into_iter().step_by(2)).collect();
    let next = known.iter().skip(1).copied().map(i64::from).chain([1 << 31]);
    let list = |values: Vec<String>| format!("'{{{}}}'", values.join(","));
    let all = |value: &str| list(vec![value.to_owned(); known.len()]);
    let known_shares = list(known.iter().map(ToString::to_string).collect());
    let values = [
        all("default"),
        all("2"),
        known_shares.clone(),
        all("1970-01-01"),
        all("default"),
        all("2"),
        known_shares,
        list(next.map(|share| share.to_string()).collect()),
    ];
    let look = Explained::of(&world, LOOK, &values.join(", ")).await;
    assert!(look.jobs() <= 110, "{} rows for 100 workspaces", look.jobs());
    assert!(look.pages() <= 600, "{} pages for 100 workspaces", look.pages());
    world.close().await;
}

#[tokio::test]
async fn a_workspace_of_triple_weight_gets_three_turns_for_one() {
    let world = one_at_a_time().await;
    let (heavy, light) = (WorkspaceId::now_v7(), WorkspaceId::now_v7());
    weights::set(world.pool(), heavy, 3.0).await.unwrap();
    backlog(&world, heavy, "heavy", 400).await;
    backlog(&world, light, "light", 400).await;
    world.drain().await;
    // The first look comes after some claims.
    let middle = &world.app.calls()[100..500];
    let heavy = middle.iter().filter(|call| *call == "heavy").count();
    assert!((290..=310).contains(&heavy), "{heavy} of 400");
    world.finish().await;
}

#[tokio::test]
async fn a_weight_is_kept_changed_and_taken_back_and_a_wrong_one_is_refused() {
    let world = Lab::noting().await;
    let workspace = WorkspaceId::now_v7();
    weights::set(world.pool(), workspace, 2.0).await.unwrap();
    weights::set(world.pool(), workspace, 0.5).await.unwrap();
    assert_eq!(weights::list(world.pool()).await.unwrap(), [(workspace, 0.5)]);
    for wrong in [0.0, -1.0, 1_000.1, f64::NAN, f64::INFINITY] {
        let error = weights::set(world.pool(), workspace, wrong).await.unwrap_err();
        assert!(error.to_string().contains("above 0 and at most 1000"), "{error}");
    }
    weights::set(world.pool(), workspace, 1.0).await.unwrap();
    assert_eq!(weights::list(world.pool()).await.unwrap(), []);
    world.close().await;
}

#[tokio::test]
async fn a_job_that_is_given_back_stands_in_everybodys_part_and_a_retry_in_its_own_again() {
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            run.app.gate("here").pass().await;
            Err(Failure::new(Class::TransientNetwork, "test", "the network failed").into())
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    world.config.drain = Duration::ZERO;
    world.add(TurnsScript::new(WorkspaceId::now_v7(), "waits").job()).await;
    let own = "engine.job WHERE takes_turns AND share = engine.share(workspace)";
    assert_eq!(world.count(own).await, 1, "the engine and its rows agree whose part is whose");
    let process = world.start();
    world.app.gate("here").reached(1).await;
    process.stop().await;
    assert_eq!(world.count("engine.job WHERE lane = -1 AND share = 0").await, 1);
    world.app.gate("here").open();
    world.drain().await;
    assert_eq!(world.count(&format!("{own} AND attempt = 1")).await, 1);
    world.close().await;
}

/// A job of low priority that has waited for `waited`, and a backlog of critical ones that has just come.
async fn low_before_a_backlog(waited: Duration, ageing: Duration) -> bool {
    let mut world = one_at_a_time().await;
    world.config.ageing = ageing;
    world.add(Script::new("low").job().priority(Priority::Low)).await;
    world.clock.advance(waited).await.unwrap();
    let critical = || Script::new("critical").job().priority(Priority::Critical);
    world.add_all((0..2_000).map(|_| critical()).collect()).await;
    world.drain().await;
    let calls = world.app.calls();
    world.finish().await;
    calls.iter().position(|call| call == "low").unwrap() < 2_000
}

#[tokio::test]
async fn a_low_job_that_has_waited_long_runs_in_the_middle_of_better_ones() {
    let minute = Duration::from_secs(60);
    assert!(low_before_a_backlog(4 * minute, minute).await);
    assert!(!low_before_a_backlog(2 * minute, minute).await);
    assert!(!low_before_a_backlog(4 * minute, Duration::MAX).await);
}

#[test]
fn the_shares_of_workspaces_are_spread_and_never_everybodys() {
    let shares: std::collections::HashSet<String> = (0..1_000)
        .map(|_| TurnsScript::new(WorkspaceId::now_v7(), "").job())
        .map(|job| format!("{:?}", autopilot_engine::Hint::from(&job)))
        .collect();
    assert_eq!(shares.len(), 1_000);
    let _: bool = TurnsScript::TURNS;
}

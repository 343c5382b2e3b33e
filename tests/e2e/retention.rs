//! What has ended is kept for as long as was said, and leaves by partition; what is still needed stays.

use std::time::Duration;

use autopilot_engine::doctor::{self, Verdict};
use autopilot_engine::ops::{self, OpsError, retention};
use autopilot_engine::{Class, Failure, Job, Planned, Result, Run};
use autopilot_tests::{Lab, PlannedScript, Script, World};
use serde::{Deserialize, Serialize};
use sqlx::Connection;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A run in another queue, with a tag.
#[derive(Serialize, Deserialize)]
struct Receipt;

impl Job for Receipt {
    type App = Lab;
    const KIND: &'static str = "test.receipt";
    const QUEUE: &'static str = "receipts";
    const STEPS: &'static [Planned] = &[Planned::new("print", 1)];

    fn tags(&self) -> Vec<String> {
        vec!["order 7".to_owned()]
    }

    async fn run(&self, run: &mut Run<'_, Lab>) -> Result {
        run.step("print", async |at| at.app.call("print", &at.key)).await
    }
}

/// Jobs of both queues; one with the label `fail` fails for good.
async fn two_queues() -> World<Lab> {
    let lab = Lab::new(|label, run| {
        Box::pin(async move {
            run.step("only", async |at| at.app.call("only", &at.key)).await?;
            if label == "fail" {
                return Err(Failure::new(Class::ConfigurationError, "no_key", "no key").into());
            }
            Ok(())
        })
    });
    let mut world = World::new(lab, Lab::registry().register::<Receipt>(), &[]).await;
    world.config.queues = vec![("default".to_owned(), 4), ("receipts".to_owned(), 4)];
    world.clock.freeze().await.unwrap();
    world
}

async fn later(world: &World<Lab>, days: u32) {
    world.clock.advance_alive(DAY * days).await.unwrap();
}

/// Lets time pass as it does while workers run: they look after the partitions every day.
async fn live_through(world: &World<Lab>, days: u32) {
    for _ in 0..days {
        later(world, 1).await;
        let tended = retention::tend(world.pool()).await.unwrap();
        assert_eq!(tended.later, 0, "nobody uses the tables");
    }
}

async fn doctors_word(world: &World<Lab>) -> (Verdict, String) {
    let told = doctor::queue(world.pool()).await.unwrap();
    let finding = told.into_iter().find(|finding| finding.check == "retention").unwrap();
    (finding.verdict, finding.detail)
}

#[tokio::test]
async fn what_ended_leaves_with_its_partition_when_its_queues_time_is_over() {
    let world = two_queues().await;
    let goes = retention::set(world.pool(), Some("receipts"), "completed", 2 * DAY).await.unwrap();
    world.enqueue(&Receipt).await;
    world.enqueue(&Script::default()).await;
    world.drain().await;
    assert_eq!(world.count("engine.history").await, 2);
    assert_eq!(world.count("engine.history_default").await, 0);
    let receipts = "engine.history WHERE queue = 'receipts'";
    assert_eq!(world.count(&format!("{receipts} AND goes = '{goes}'")).await, 1);
    live_through(&world, 2).await;
    assert_eq!(world.count(receipts).await, 1, "two days are not over");
    live_through(&world, 1).await;
    assert_eq!(world.count(receipts).await, 0);
    let relation =
        format!("SELECT to_regclass('engine.history_{}')::text", goes.format("%Y_%m_%d"));
    assert_eq!(world.value::<Option<String>>(&relation).await, None, "it went as a whole");
    live_through(&world, 26).await;
    assert_eq!(world.count("engine.history").await, 1, "thirty days are not over");
    live_through(&world, 9).await;
    assert_eq!(world.count("engine.history").await, 0);
    // What is not needed any more leaves nothing behind.
    let over = r#"pg_class WHERE relkind = 'r' AND relname ~ '^history_\d'
        AND to_date(relname, '"history_"YYYY_MM_DD') <= (engine.now() AT TIME ZONE 'UTC')::date"#;
    assert_eq!(world.count(over).await, 0);
    world.finish().await;
}

#[tokio::test]
async fn the_end_of_a_job_without_steps_is_kept_for_as_long_as_that_of_a_run() {
    let mut world = Lab::noting().await;
    world.config.queues = vec![("default".to_owned(), 4), ("receipts".to_owned(), 4)];
    let goes = retention::set(world.pool(), Some("receipts"), "completed", 2 * DAY).await.unwrap();
    for label in ["default", "receipts"] {
        world.enqueue(&Script::new(label)).await;
    }
    world
        .execute("UPDATE engine.job SET queue = payload ->> 'label', queue_hash = hashtext(payload ->> 'label')")
        .await;
    world.drain().await;
    let ends = "SELECT queue || ' ' || goes FROM engine.history ORDER BY queue";
    let others: String = world
        .value("SELECT goes::text FROM engine.retention WHERE queue = '' AND outcome = 'completed'")
        .await;
    assert_eq!(world.texts(ends).await, [format!("default {others}"), format!("receipts {goes}")]);
    world.finish().await;
}

#[tokio::test]
async fn a_run_that_sleeps_for_half_a_year_finds_its_checkpoints_and_then_its_month_goes() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.step("one", async |at| at.app.call("buy", &at.key)).await?;
            run.sleep("two", 180 * DAY).await?;
            run.step("three", async |at| at.app.call("ask", &at.key)).await?;
            Ok(())
        })
    })
    .await;
    world.clock.freeze().await.unwrap();
    let id = world.enqueue(&PlannedScript::default()).await;
    let month: String =
        world.value("SELECT to_char(engine.now() AT TIME ZONE 'UTC', 'YYYY_MM')").await;
    world.drain().await;
    for _ in 0..6 {
        live_through(&world, 30).await;
    }
    world.drain().await;
    assert_eq!(world.app.calls(), ["buy", "ask"], "what was done was not done again");
    assert_eq!(world.standing(id).await, "completed");
    live_through(&world, 28).await;
    assert_eq!(
        world.count("engine.step").await,
        3,
        "its end is kept for a month, and so is its way"
    );
    for _ in 0..3 {
        live_through(&world, 30).await;
    }
    for table in ["run", "step", "failure", "tag", "output"] {
        assert_eq!(world.count(&format!("engine.{table}")).await, 0, "{table}");
        let gone = format!("SELECT to_regclass('engine.{table}_{month}')::text");
        assert_eq!(world.value::<Option<String>>(&gone).await, None, "{table}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_dead_letter_keeps_its_month_until_somebody_has_decided() {
    let world = two_queues().await;
    let id = world.enqueue(&Script::new("fail")).await;
    world.drain().await;
    assert_eq!(world.standing(id).await, "failed");
    for _ in 0..5 {
        live_through(&world, 30).await;
    }
    assert_eq!(world.count("engine.step").await, 1);
    assert_eq!(world.count("engine.failure").await, 1);
    let (verdict, told) = doctors_word(&world).await;
    assert!(verdict == Verdict::Warning && told.contains("for 1 set aside and 0 live"), "{told}");
    // It is put back to work with its checkpoints, fails again, and is given up.
    ops::retry(world.pool(), id).await.unwrap();
    world.drain().await;
    assert_eq!(world.app.count("only"), 1);
    ops::cancel(world.pool(), id).await.unwrap();
    for _ in 0..4 {
        live_through(&world, 30).await;
    }
    assert_eq!(world.count("engine.step").await + world.count("engine.failure").await, 0);
    assert_eq!(doctors_word(&world).await.0, Verdict::Ok);
    world.finish().await;
}

#[tokio::test]
async fn processes_that_look_after_the_partitions_at_once_do_it_once() {
    let world = two_queues().await;
    later(&world, 40).await;
    let all = tokio::join!(
        retention::tend(world.pool()),
        retention::tend(world.pool()),
        retention::tend(world.pool()),
        retention::tend(world.pool()),
    );
    for tended in [all.0, all.1, all.2, all.3] {
        tended.unwrap();
    }
    let month = "SELECT to_regclass(to_char(engine.now() AT TIME ZONE 'UTC', '\"engine.step_\"YYYY_MM'))::text";
    assert!(world.value::<Option<String>>(month).await.is_some());
    let stale = "engine.retention WHERE goes <> engine.goes_on(keep)";
    assert_eq!(world.count(stale).await, 0);
    world.finish().await;
}

#[tokio::test]
async fn what_somebody_reads_is_left_for_later() {
    let world = two_queues().await;
    retention::set(world.pool(), None, "completed", DAY).await.unwrap();
    world.enqueue(&Script::default()).await;
    world.drain().await;
    later(&world, 2).await;
    let mut reader = world.connect().await;
    let mut tx = reader.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.history").execute(&mut *tx).await.unwrap();
    let tended = retention::tend(world.pool()).await.unwrap();
    assert!(tended.later > 0 && tended.dropped == 0, "{tended:?}");
    assert_eq!(world.count("engine.history").await, 1);
    tx.commit().await.unwrap();
    let tended = retention::tend(world.pool()).await.unwrap();
    assert!(tended.later == 0 && tended.dropped > 0, "{tended:?}");
    assert_eq!(world.count("engine.history").await, 0);
    world.finish().await;
}

#[tokio::test]
async fn what_came_while_no_partition_was_there_is_kept_and_moved_into_it() {
    let world = two_queues().await;
    // Nobody has looked after anything for four months, and webhooks still come.
    later(&world, 120).await;
    let id = world.enqueue(&Receipt).await;
    assert_eq!(world.count("engine.run_default").await, 1);
    world.drain().await;
    assert_eq!(world.standing(id).await, "completed");
    for table in ["run", "step", "tag", "history"] {
        assert_eq!(world.count(&format!("engine.{table}")).await, 1, "{table}");
        assert_eq!(world.count(&format!("engine.{table}_default")).await, 0, "{table}");
    }
    // A day of which nobody has heard.
    world
        .execute(
            "INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes, payload, created_at, goes)
             SELECT id, workspace, kind, queue, priority, outcome, token, attempt, crashes, payload, created_at, goes + 1000
             FROM engine.history",
        )
        .await;
    assert_eq!(world.count("engine.history_default").await, 1);
    world.execute("SELECT engine.make_day(max(goes)) FROM engine.history").await;
    assert_eq!(world.count("engine.history_default").await, 0);
    assert_eq!(world.count("engine.history").await, 2);
    world.finish().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_says_why() {
    let world = two_queues().await;
    let set = async |queue, outcome, keep| {
        retention::set(world.pool(), queue, outcome, keep).await.unwrap_err().to_string()
    };
    assert!(set(None, "completed", Duration::ZERO).await.contains("1 to 3660 days"));
    assert!(set(None, "completed", 4_000 * DAY).await.contains("1 to 3660 days"));
    assert!(set(None, "failed", DAY).await.contains("completed, degraded, cancelled"));
    assert!(set(Some(""), "completed", DAY).await.contains("1 to 200 bytes, not 0"));
    assert!(!retention::unset(world.pool(), "receipts", "completed").await.unwrap());
    let unknown = retention::unset(world.pool(), "receipts", "lost").await;
    assert!(matches!(unknown, Err(OpsError::Unknown { .. })));
    // Nor can anybody drop what is still to be kept, by whatever hand; not even where the day of what ends now has come, because
    // nobody has looked after it since.
    for (days, call) in [
        (0, "drop_day((SELECT max(goes) FROM engine.retention))"),
        (0, "drop_month(engine.month(0))"),
        (100, "drop_day((SELECT max(goes) FROM engine.retention))"),
    ] {
        later(&world, days).await;
        let refused = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT engine.{call}")))
            .execute(world.pool())
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("still to be kept"), "{refused}");
    }
    world.finish().await;
}

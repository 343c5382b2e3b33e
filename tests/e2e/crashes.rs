//! A crash at any boundary changes nothing.

use std::time::Duration;

use autopilot_tests::{Lab, PlannedScript, Script, World, crash_at_every_step, repeat_every_step};

async fn three_steps() -> World<Lab> {
    Lab::world(|_, run| {
        Box::pin(async move {
            run.step("one", async |at| at.app.call("one", &at.key)).await?;
            run.transact("two", async |tx| {
                sqlx::query("INSERT INTO ledger VALUES ('two')").execute(tx).await?;
                Ok(())
            })
            .await?;
            run.step("three", async |at| at.app.call("three", &at.key)).await
        })
    })
    .await
}

#[tokio::test]
async fn a_crash_at_any_boundary_ends_as_if_nothing_had_happened() {
    let make = async || {
        let world = three_steps().await;
        world.execute("CREATE TABLE ledger (what text)").await;
        world
    };
    let crashes = crash_at_every_step(make, &PlannedScript::default(), async |world, place| {
        assert_eq!(world.app.effects(), ["one", "three"], "{place}");
        assert_eq!(world.count("ledger").await, 1, "{place}");
        assert_eq!(world.count("engine.step WHERE state = 'done'").await, 3, "{place}");
        assert_eq!(world.value::<i32>("SELECT percent FROM engine.run_status").await, 100);
    })
    .await;
    assert_eq!(crashes, 14);
}

#[tokio::test]
async fn a_step_that_runs_again_after_it_had_finished_changes_nothing() {
    let make = async || {
        let world = three_steps().await;
        world.execute("CREATE TABLE ledger (what text UNIQUE)").await;
        world.execute("CREATE RULE once AS ON INSERT TO ledger WHERE EXISTS (SELECT FROM ledger) DO INSTEAD NOTHING").await;
        world
    };
    let steps = repeat_every_step(make, &PlannedScript::default(), async |world, step| {
        assert_eq!(world.app.effects(), ["one", "three"], "{step} again");
        assert_eq!(world.count("ledger").await, 1, "{step} again");
    })
    .await;
    assert_eq!(steps, 3);
}

#[tokio::test]
async fn a_run_that_sleeps_survives_a_crash_at_any_boundary() {
    let make = async || {
        Lab::world(|_, run| {
            Box::pin(async move {
                run.step("before", async |at| at.app.call("before", &at.key)).await?;
                run.sleep("night", Duration::from_secs(8 * 3_600)).await?;
                run.step("after", async |at| at.app.call("after", &at.key)).await
            })
        })
        .await
    };
    crash_at_every_step(make, &Script::default(), async |world, place| {
        assert_eq!(world.app.effects(), ["after", "before"], "{place}");
    })
    .await;
}

#[tokio::test]
async fn a_provider_that_can_be_asked_is_used_once_wherever_the_crash_was() {
    let make = async || {
        Lab::world(|_, run| {
            Box::pin(async move {
                // This provider knows no keys: what it is told twice, it does twice.
                run.reconcile(
                    "buy",
                    async |at| Ok((at.app.count("bought") > 0).then_some(())),
                    async |at| {
                        at.app.note("bought");
                        Ok(())
                    },
                )
                .await
            })
        })
        .await
    };
    crash_at_every_step(make, &Script::default(), async |world, place| {
        assert_eq!(world.app.count("bought"), 1, "{place}");
    })
    .await;
}

#[tokio::test]
async fn a_successor_is_enqueued_once_wherever_the_crash_was() {
    let make = async || {
        Lab::world(|label, run| {
            Box::pin(async move {
                run.step("one", async |at| at.app.call("one", &at.key)).await?;
                if label.is_empty() {
                    run.enqueue(Script::new("next").job());
                }
                Ok(())
            })
        })
        .await
    };
    crash_at_every_step(make, &Script::default(), async |world, place| {
        assert_eq!(world.count("engine.history WHERE outcome = 'completed'").await, 2, "{place}");
        assert_eq!(world.app.effects(), ["one", "one"], "{place}");
    })
    .await;
}

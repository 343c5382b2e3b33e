//! Outputs and names that a step should not have, and outputs that nobody may read.

use autopilot_engine::{Class, Failure, JobId, Result, Run, Step};
use autopilot_tests::{Inside, Lab, PlannedScript, Running, Script, World, vault};

const CODE: &str = "SELECT failure->>'code' FROM engine.dead_letter";

/// A world whose one job ends set aside.
async fn set_aside<F>(body: F) -> (World<Lab>, JobId)
where
    F: for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Lab>) -> Running<'a> + Send + Sync + 'static,
{
    let world = Lab::world(body).await;
    let job = world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.standing(job).await, "failed");
    (world, job)
}

fn network() -> Failure {
    Failure::new(Class::TransientNetwork, "test", "the network failed")
}

#[tokio::test]
async fn a_sealed_output_is_nowhere_to_be_read_and_comes_back_whole() {
    const SECRET: &str = "sk_live_do_not_read_me";
    let mut world = Lab::world(|_, run| {
        Box::pin(async move {
            let token = run
                .step(Step::named("token").sealed(), async |at| {
                    at.app.note("token");
                    Ok(SECRET.to_owned())
                })
                .await?;
            assert_eq!(token, SECRET);
            run.step("use", async |at| -> Result {
                at.app.note("use");
                if at.app.count("use") == 1 { Err(network().into()) } else { Ok(()) }
            })
            .await
        })
    })
    .await;
    world.vault = Some(vault(world.pool()).await);
    world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(world.app.calls(), ["token", "use", "use"], "read back, not asked for again");
    let sealed = "engine.step WHERE name = 'token' AND output IS NULL AND sealed IS NOT NULL";
    assert_eq!(world.count(sealed).await, 1);
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    for row in world.snapshot().await {
        assert!(!row.contains(SECRET) && !row.contains(&hex), "{row}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_sealed_output_without_a_keyring_says_what_to_set() {
    let (world, _) = set_aside(|_, run| {
        Box::pin(async move {
            run.step(Step::named("token").sealed(), async |_| Ok("secret".to_owned())).await?;
            Ok(())
        })
    })
    .await;
    let action: String = world.value("SELECT failure->>'action' FROM engine.dead_letter").await;
    assert!(action.contains("ENCRYPTION_KEY"), "{action}");
    assert!(!world.snapshot().await.iter().any(|row| row.contains("secret")));
    world.close().await;
}

#[tokio::test]
async fn a_name_that_stands_twice_in_a_run_is_an_error_and_no_silent_skip() {
    let (world, _) = set_aside(|_, run| {
        Box::pin(async move {
            run.step("same", async |at| at.app.call("first", &at.key)).await?;
            run.step("same", async |at| at.app.call("second", &at.key)).await
        })
    })
    .await;
    assert_eq!(world.texts(CODE).await, ["duplicate_step"]);
    assert_eq!(world.app.calls(), ["first"]);
    world.close().await;
}

#[tokio::test]
async fn a_step_that_the_plan_does_not_name_is_an_error() {
    let world = Lab::world(|_, run| {
        Box::pin(async move { run.step("four", async |at| at.app.call("four", &at.key)).await })
    })
    .await;
    world.enqueue(&PlannedScript::default()).await;
    world.drain().await;
    assert_eq!(world.texts(CODE).await, ["unplanned_step"]);
    assert_eq!(world.app.calls(), [""; 0]);
    world.close().await;
}

#[tokio::test]
async fn an_output_that_a_deploy_gave_another_shape_is_a_clear_error() {
    let (world, _) = set_aside(|_, run| {
        Box::pin(async move {
            run.app.note("attempt");
            if run.app.count("attempt") == 1 {
                run.step("buy", async |_| Ok("a text".to_owned())).await?;
                return Err(network().into());
            }
            let number: u32 = run.step("buy", async |_| Ok(7)).await?;
            run.app.note(&number.to_string());
            Ok(())
        })
    })
    .await;
    assert_eq!(world.texts(CODE).await, ["output_changed_shape"]);
    let message: String = world.value("SELECT failure->>'message' FROM engine.dead_letter").await;
    assert!(message.contains("step buy") && message.contains("invalid type"), "{message}");
    world.close().await;
}

#[tokio::test]
async fn an_output_may_hold_any_character() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            let text = run.step("odd", async |_| Ok("a\0b \u{fffe} \u{1f4aa}".to_owned())).await?;
            run.app.note(&text);
            if run.app.count(&text) == 1 {
                return Err(network().into());
            }
            Ok(())
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    world.drain_all().await;
    assert_eq!(
        world.app.count("a\0b \u{fffe} \u{1f4aa}"),
        2,
        "the second comes from the checkpoint"
    );
    world.finish().await;
}

#[tokio::test]
async fn an_output_that_the_database_refuses_hurts_nobody_else() {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            let output = if label == "bad" { "bad" } else { "fine" };
            run.step("one", async |at| {
                at.app.gate("here").pass().await;
                Ok(output.to_owned())
            })
            .await?;
            run.step("two", async |at| at.app.call("two", &at.key)).await
        })
    })
    .await;
    world
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION 'refused on purpose' USING ERRCODE = '22023';
             END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON engine.step FOR EACH ROW
             WHEN (NEW.output::text LIKE '%bad%') EXECUTE FUNCTION refuse()",
        )
        .await;
    let bad = world.enqueue(&Script::new("bad")).await;
    for _ in 0..5 {
        world.enqueue(&Script::new("good")).await;
    }
    let process = world.start();
    // Let go at once, so that their checkpoints meet in one flush.
    world.app.gate("here").reached(6).await;
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.standing(bad).await, "failed");
    assert_eq!(world.texts(CODE).await, ["checkpoint_refused"]);
    assert_eq!(world.app.count("two"), 5);
    assert_eq!(world.count("engine.history WHERE outcome = 'completed' AND attempt = 1").await, 5);
    world.close().await;
}

#[tokio::test]
async fn an_error_text_that_postgres_refuses_does_not_leave_the_job_running() {
    let (world, _) = set_aside(|_, _| {
        Box::pin(async { Err(Failure::new(Class::ProvisioningError, "test", "a\0b").into()) })
    })
    .await;
    assert_eq!(world.texts(CODE).await, ["checkpoint_refused"]);
    world.close().await;
}

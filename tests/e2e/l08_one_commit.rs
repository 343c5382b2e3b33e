//! L8: the last checkpoint, the ack and what the job enqueues commit together, or none of them does.

use autopilot_engine::Stop;
use autopilot_tests::{Lab, Script, World};

async fn step_and_successor() -> World<Lab> {
    let world = Lab::world(|label, run| {
        Box::pin(async move {
            if label == "next" {
                return Ok(());
            }
            run.step("last", async |at| at.app.call("last", &at.key)).await?;
            run.enqueue(Script::new("next").job());
            Ok(())
        })
    })
    .await;
    world
        .execute(
            "CREATE SEQUENCE refusals;
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 RAISE EXCEPTION 'refused on purpose' USING ERRCODE = '23514';
             END $$;
             CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('refusals') = 1 THEN
                     RAISE EXCEPTION 'failed on purpose' USING ERRCODE = '40001';
                 END IF;
                 RETURN NEW;
             END $$",
        )
        .await;
    world
}

/// The end of the run is refused at one place, so nothing of it is there; the job is set aside instead.
async fn none_is_there(trigger: &str) {
    let world = step_and_successor().await;
    let job = world.enqueue(&Script::new("first")).await;
    world.execute(trigger).await;
    world.drain().await;
    assert_eq!(world.standing(job).await, "failed");
    assert_eq!(world.count("engine.step WHERE state = 'done'").await, 0, "no checkpoint");
    assert_eq!(world.count("engine.history").await, 0, "no ack");
    assert_eq!(world.count("engine.job").await, 0, "no successor");
    let code: String = world.value("SELECT failure->>'code' FROM engine.dead_letter").await;
    assert_eq!(code, "checkpoint_refused");
    world.close().await;
}

#[tokio::test]
async fn l08_without_the_ack_there_is_no_checkpoint_and_no_successor() {
    none_is_there(
        "CREATE TRIGGER refuse BEFORE INSERT ON engine.history FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
}

#[tokio::test]
async fn l08_without_the_successor_there_is_no_checkpoint_and_no_ack() {
    none_is_there(
        "CREATE TRIGGER refuse BEFORE INSERT ON engine.job FOR EACH ROW
         WHEN (NEW.payload->>'label' = 'next') EXECUTE FUNCTION refuse()",
    )
    .await;
}

#[tokio::test]
async fn l08_without_the_checkpoint_there_is_no_ack_and_no_successor() {
    none_is_there(
        "CREATE TRIGGER refuse BEFORE INSERT ON engine.step FOR EACH ROW
         WHEN (NEW.state = 'done') EXECUTE FUNCTION refuse()",
    )
    .await;
}

#[tokio::test]
async fn l08_an_end_that_fails_once_is_written_whole_by_the_next_try() {
    let world = step_and_successor().await;
    world.enqueue(&Script::new("first")).await;
    world
        .execute(
            "CREATE TRIGGER fail BEFORE INSERT ON engine.job FOR EACH ROW
             WHEN (NEW.payload->>'label' = 'next') EXECUTE FUNCTION fail_once()",
        )
        .await;
    world.drain().await;
    assert_eq!(world.value::<i64>("SELECT last_value FROM refusals").await, 2);
    assert_eq!(world.count("engine.history WHERE outcome = 'completed' AND attempt = 1").await, 2);
    assert_eq!(world.count("engine.step WHERE state = 'done' AND starts = 1").await, 1);
    world.finish().await;
}

#[tokio::test]
async fn l08_a_run_that_does_not_end_well_enqueues_nothing() {
    let world = Lab::world(|_, run| {
        Box::pin(async move {
            run.enqueue(Script::new("next").job());
            Err(Stop::skip("not configured"))
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    world.drain().await;
    assert_eq!(world.count("engine.job").await, 0);
    assert_eq!(world.count("engine.dead_letter").await, 1);
    world.close().await;
}

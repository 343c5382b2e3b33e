//! Marks: a claim that starts where the last one ended still finds everything.

use autopilot_engine::{NewJob, enqueue};
use autopilot_tests::{Lab, Script, World, eventually};
use sqlx::Connection;

async fn noting() -> World<Lab> {
    World::lab(|label, run| {
        Box::pin(async move {
            run.app.note(label);
            Ok(())
        })
    })
    .await
}

#[tokio::test]
async fn a_job_that_commits_long_after_the_mark_has_passed_it_is_found() {
    let world = noting().await;
    let mut late = world.connect().await;
    let mut tx = late.begin().await.unwrap();
    assert!(
        !enqueue(&mut tx, &[NewJob::of(&Script::new("late")).unwrap()]).await.unwrap().is_empty()
    );
    let process = world.start();
    // The lane stays busy, so that claims go on from the fast mark, past the job nobody can see yet.
    world.execute("CREATE TABLE begun AS SELECT clock_timestamp() AS at").await;
    eventually("the mark moves on for two seconds", async || {
        world.enqueue(&Script::new("early")).await;
        world.count("begun WHERE clock_timestamp() > at + interval '2 s'").await == 1
    })
    .await;
    assert_eq!(world.app.count("late"), 0);
    tx.commit().await.unwrap();
    eventually("the late one is found although the lane stays busy", async || {
        world.enqueue(&Script::new("early")).await;
        world.app.count("late") == 1
    })
    .await;
    world.idle().await;
    process.stop().await;
    assert_eq!(world.app.count("late"), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_snapshot_that_somebody_holds_does_not_hold_up_claims() {
    let world = noting().await;
    let mut holder = world.connect().await;
    let mut tx = holder.begin().await.unwrap();
    sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await.unwrap();
    sqlx::query("SELECT FROM engine.job").execute(&mut *tx).await.unwrap();
    for number in 0..200 {
        world.enqueue(&Script::new(&number.to_string())).await;
    }
    world.drain().await;
    assert_eq!(world.app.calls().len(), 200);
    let seen: i64 =
        sqlx::query_scalar("SELECT count(*) FROM engine.job").fetch_one(&mut *tx).await.unwrap();
    assert_eq!(seen, 0, "the snapshot is still held");
    tx.rollback().await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn a_job_that_was_given_back_lies_above_every_mark() {
    let world = World::lab(|_, run| {
        Box::pin(async move {
            run.app.note("attempt");
            if run.app.count("attempt") < 3 {
                run.sleep("nap", std::time::Duration::ZERO).await?;
            }
            Ok(())
        })
    })
    .await;
    world.enqueue(&Script::default()).await;
    let enqueued: String = world.value("SELECT run_at::text FROM engine.job").await;
    world.drain_all().await;
    assert!(world.app.count("attempt") >= 2);
    assert_eq!(world.count(&format!("engine.history WHERE finished_at > '{enqueued}'")).await, 1);
    world.finish().await;
}

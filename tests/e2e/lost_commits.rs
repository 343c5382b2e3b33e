//! What a crash or a failover may take back: the commit of a claim, which waits for no disk.

use autopilot_tests::{Inside, Lab, Script, World, eventually};

/// Jobs that wait at the gate `here` before their first step.
async fn before_its_step() -> World<Lab> {
    Lab::world(|_, run| {
        Box::pin(async move {
            run.app.gate("here").pass().await;
            run.step("pay", async |at| {
                at.app.note("paid");
                Ok(())
            })
            .await
        })
    })
    .await
}

/// Takes back the claim of the one job, as if its commit had never come to the disk, and breaks every connection, as the crash
/// would have.
async fn lose_the_claim(world: &World<Lab>) {
    let lose =
        "UPDATE engine.job SET state = 0, worker = NULL, token = token - 1, attempt = attempt - 1";
    assert_eq!(world.execute(lose).await, 1);
    let broken = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let broken: i64 =
        sqlx::query_scalar(broken).fetch_one(&mut world.connect().await).await.unwrap();
    assert!(broken > 1, "nobody was connected");
}

#[tokio::test]
async fn a_claim_that_was_lost_and_made_again_under_the_same_token_has_one_attempt() {
    let mut world = before_its_step().await;
    let job = world.enqueue(&Script::default()).await;
    // No heartbeat tells the worker that the job was not its own for a moment.
    let process = world.start_unaware().await;
    world.app.gate("here").reached(1).await;
    lose_the_claim(&world).await;
    world.app.gate("here").reached(2).await;
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    assert_eq!(world.app.count("paid"), 1);
    assert_eq!(
        world.count("engine.history WHERE token > 1").await,
        1,
        "the fence tells them apart"
    );
    world.finish().await;
}

#[tokio::test]
async fn a_job_whose_claim_was_lost_is_found_below_the_marks() {
    let world = before_its_step().await;
    let job = world.enqueue(&Script::default()).await;
    let process = world.start();
    world.app.gate("here").reached(1).await;
    let passed = "engine.lane WHERE safe > (SELECT run_at FROM engine.job)";
    eventually("the marks pass it", async || world.count(passed).await > 0).await;
    // The marks were kept after the claim: what loses the claim loses them.
    world.execute("DELETE FROM engine.lane").await;
    lose_the_claim(&world).await;
    world.app.gate("here").reached(2).await;
    world.app.gate("here").open();
    world.idle().await;
    process.stop().await;
    assert_eq!(world.standing(job).await, "completed");
    world.finish().await;
}

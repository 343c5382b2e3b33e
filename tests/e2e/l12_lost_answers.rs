//! L12: a COMMIT whose answer was lost is unknown, not failed: it is read again before anything is repeated.

use autopilot_engine::testing::CrashPoints;
use autopilot_engine::{Limit, NewJob, Outcome, Run};
use autopilot_tests::{
    Cut, Lab, LimitedScript, Process, Proxy, Running, Script, World, eventually,
};
use sqlx::{Connection, PgPool};
use uuid::Uuid;

/// A worker behind a network that is cut once, at the next COMMIT after the gate `here`.
async fn cut_after_the_gate<F>(cut: Cut, body: F) -> World<Lab>
where
    F: for<'a, 'r> Fn(&'a str, &'a mut Run<'r, Lab>) -> Running<'a> + Send + Sync + 'static,
{
    let world = Lab::world(body).await;
    world.execute("CREATE TABLE ledger (what text)").await;
    world.enqueue(&Script::new("first")).await;
    let (proxy, pool, process) = behind_a_proxy(&world).await;
    world.app.gate("here").reached(1).await;
    proxy.arm(cut);
    world.app.gate("here").open();
    world.idle().await;
    assert_eq!(proxy.cuts(), 1, "the answer was lost");
    process.stop().await;
    pool.close().await;
    world.drain_all().await;
    world
}

async fn behind_a_proxy(world: &World<Lab>) -> (Proxy, PgPool, Process) {
    let proxy = Proxy::start(&world.url()).await;
    let pool = proxy.pool(&world.url()).await;
    let process = world.start_with(pool.clone(), CrashPoints::none());
    (proxy, pool, process)
}

/// Both ways a COMMIT can be lost: it took place, or it never arrived.
fn both() -> [Cut; 2] {
    [Cut::answer_of_commit(), Cut::commit()]
}

/// The same for a single statement that is its own transaction, known by a word among its values.
fn both_of(word: &str) -> [Cut; 2] {
    [Cut::Answer(word.as_bytes().to_vec()), Cut::Request(word.as_bytes().to_vec())]
}

#[tokio::test]
async fn l12_a_plain_ack_whose_answer_was_lost_is_not_repeated_and_not_lost() {
    for cut in both_of("completed") {
        let world = cut_after_the_gate(cut, |label, run| {
            Box::pin(async move {
                run.app.note(label);
                run.app.gate("here").pass().await;
                Ok(())
            })
        })
        .await;
        assert_eq!(world.app.calls(), ["first"], "one attempt");
        assert_eq!(world.count("engine.history WHERE token = 1").await, 1);
        world.finish().await;
    }
}

#[tokio::test]
async fn l12_an_ack_whose_answer_was_lost_is_not_repeated_and_not_lost() {
    for cut in both() {
        let world = cut_after_the_gate(cut, |label, run| {
            Box::pin(async move {
                run.app.note(label);
                if label == "first" {
                    run.enqueue(Script::new("next").job());
                    run.app.gate("here").pass().await;
                }
                Ok(())
            })
        })
        .await;
        assert_eq!(world.app.calls(), ["first", "next"], "one attempt each, one successor");
        assert_eq!(world.count("engine.history WHERE token = 1").await, 2);
        world.finish().await;
    }
}

#[tokio::test]
async fn l12_a_checkpoint_whose_answer_was_lost_is_there_once() {
    for cut in both_of("two") {
        let world = cut_after_the_gate(cut, |_, run| {
            Box::pin(async move {
                run.step("one", async |at| {
                    at.app.gate("here").pass().await;
                    at.app.call("one", &at.key)
                })
                .await?;
                run.step("two", async |at| at.app.call("two", &at.key)).await
            })
        })
        .await;
        assert_eq!(world.app.calls(), ["one", "two"]);
        assert_eq!(world.count("engine.step WHERE state = 'done' AND token = 1").await, 2);
        world.finish().await;
    }
}

#[tokio::test]
async fn l12_a_transaction_whose_answer_was_lost_takes_effect_once() {
    for (cut, attempts) in both().into_iter().zip([1, 2]) {
        let world = cut_after_the_gate(cut, |_, run| {
            Box::pin(async move {
                run.app.gate("here").pass().await;
                run.transact("book", async |tx| {
                    sqlx::query("INSERT INTO ledger VALUES ('booked')").execute(tx).await?;
                    Ok(())
                })
                .await
            })
        })
        .await;
        assert_eq!(world.count("ledger").await, 1);
        // One that took place costs nothing; one that did not is a failed attempt.
        let spent = format!("engine.history WHERE attempt = {attempts}");
        assert_eq!(world.count(&spent).await, 1);
        assert_eq!(world.count("engine.step WHERE state = 'done'").await, 1);
        world.finish().await;
    }
}

#[tokio::test]
async fn l12_a_failure_whose_checkpoint_was_written_twice_is_noted_once() {
    let world = cut_after_the_gate(Cut::answer_of_commit(), |_, run| {
        Box::pin(async move {
            let failed = run.optional("extra", async |at| -> autopilot_engine::Result {
                at.app.gate("here").pass().await;
                Err(sqlx::Error::RowNotFound.into())
            });
            assert_eq!(failed.await?, Outcome::Failed);
            run.step("two", async |at| at.app.call("two", &at.key)).await
        })
    })
    .await;
    assert_eq!(world.count("engine.failure").await, 1);
    assert_eq!(world.count("engine.step WHERE name = 'two' AND starts = 1").await, 1);
    world.finish().await;
}

/// The answer to the claim of a job: the first that carries its id.
fn claim_of(job: Uuid) -> Cut {
    Cut::Reply(job.as_bytes().to_vec())
}

#[tokio::test]
async fn l12_a_claim_whose_answer_was_lost_is_given_back_without_an_attempt() {
    let world = Lab::gated().await;
    let (proxy, pool, process) = behind_a_proxy(&world).await;
    proxy.arm(claim_of(derived("event-1")));
    let job = NewJob::of(&Script::new("once")).unwrap().key("event-1");
    assert_eq!(world.submit(job).await.id().uuid(), derived("event-1"));
    world.app.gate("here").reached(1).await;
    let lane = "SELECT lane::text FROM engine.job";
    assert_eq!(world.texts(lane).await, ["-1"], "it stood before all others again");
    world.app.gate("here").open();
    world.idle().await;
    assert_eq!(proxy.cuts(), 1);
    process.stop().await;
    pool.close().await;
    let end = "SELECT concat_ws('/', token, attempt, crashes) FROM engine.history";
    assert_eq!(world.texts(end).await, ["2/1/0"]);
    assert_eq!(world.app.calls(), ["once"]);
    world.finish().await;
}

#[tokio::test]
async fn l12_a_lost_claim_is_given_back_even_if_giving_it_back_fails_at_first() {
    let world = Lab::noting().await;
    let (proxy, pool, process) = behind_a_proxy(&world).await;
    proxy.arm(claim_of(derived("event-1")));
    proxy.arm(Cut::Request(b"Gives back what was claimed".to_vec()));
    world.add(Script::new("once").job().key("event-1")).await;
    world.idle().await;
    assert_eq!(proxy.cuts(), 2);
    process.stop().await;
    pool.close().await;
    assert_eq!(world.app.calls(), ["once"]);
    world.finish().await;
}

#[tokio::test]
async fn l12_a_claim_that_takes_place_after_its_connection_broke_is_given_back() {
    let world = Lab::noting().await;
    world.enqueue(&Script::new("blocker")).await;
    let (proxy, pool, process) = behind_a_proxy(&world).await;
    eventually("the worker is idle", async || world.app.count("blocker") == 1).await;
    // The lock holds the claim back on the server, while its connection breaks and the worker looks for what is lost.
    let mut other = world.connect().await;
    let mut tx = other.begin().await.unwrap();
    sqlx::query("SELECT FROM engine.worker FOR UPDATE").execute(&mut *tx).await.unwrap();
    world.enqueue(&Script::new("once")).await;
    let claiming = "pg_stat_activity WHERE datname = current_database()
                    AND wait_event_type = 'Lock' AND query LIKE '%Claims ready jobs%'";
    eventually("the claim waits", async || world.count(claiming).await == 1).await;
    proxy.reset();
    let looked = "pg_stat_activity WHERE datname = current_database()
                  AND query LIKE '%Gives back what was claimed%'";
    eventually("the worker looks for what is lost", async || world.count(looked).await >= 1).await;
    tx.rollback().await.unwrap();
    world.idle().await;
    process.stop().await;
    pool.close().await;
    assert_eq!(world.app.calls(), ["blocker", "once"]);
    world.finish().await;
}

/// The id that an idempotency key of a script stands for.
fn derived(key: &str) -> Uuid {
    let namespace = Uuid::from_u128(0x6175_746f_7069_6c6f_745f_656e_6769_6e65);
    let name = format!("{}\ntest.script\n{key}", autopilot_engine::WorkspaceId::NONE);
    Uuid::new_v5(&namespace, name.as_bytes())
}

#[tokio::test]
async fn l12_a_job_whose_place_was_given_by_a_commit_whose_answer_was_lost_does_not_stand_aside_for_itself()
 {
    for cut in both() {
        let world = Lab::gated().await;
        world
            .execute(
                "CREATE TABLE ledger (job uuid);
                 CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN INSERT INTO ledger VALUES (NEW.id); RETURN NEW; END $$;
                 CREATE TRIGGER note BEFORE UPDATE ON engine.job FOR EACH ROW WHEN (NEW.lane = 9) EXECUTE FUNCTION note();",
            )
            .await;
        let (proxy, pool, process) = behind_a_proxy(&world).await;
        proxy.arm(cut);
        let limits = [Limit::concurrency("key", 1)];
        world.add_all(vec![LimitedScript::new("first", &limits).job()]).await;
        world.app.gate("here").reached(1).await;
        assert_eq!(proxy.cuts(), 1, "the answer was lost");
        assert_eq!(world.count("ledger").await, 0, "the place was its own");
        world.app.gate("here").open();
        world.idle().await;
        process.stop().await;
        pool.close().await;
        world.finish().await;
    }
}

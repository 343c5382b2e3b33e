//! What operators say to the real program about the queue as a whole, and what they are told.

use std::time::Duration;

use autopilot_engine::doctor::{self, Verdict};
use autopilot_engine::{Job, Result, Run, WorkspaceId};
use autopilot_tests::{Lab, Script, Studio, eventually};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::storm::program;

/// The exit code of a command line, what it printed, and what it complained about.
pub(crate) async fn say(database: &str, line: &str) -> (i32, String, String) {
    say_with(database, line, &[]).await
}

/// As [`say`], with these variables.
pub(crate) async fn say_with(
    database: &str,
    line: &str,
    variables: &[(&str, &str)],
) -> (i32, String, String) {
    let mut command = Command::new(program());
    command.args(line.split('|')).env_clear().env("DATABASE_URL", database);
    command.envs(variables.iter().copied());
    let done = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

#[tokio::test]
async fn a_queue_is_paused_and_let_go_on() {
    let studio = Studio::new().await;
    let (world, url) = (&studio.world, studio.world.url());
    let (code, said, _) = say(&url, "pauses|add|queue:provisioning|--reason|Twilio is down").await;
    assert_eq!(
        (code, said.trim()),
        (0, "queue provisioning is paused; what runs goes on to its end")
    );
    let (_, said, _) = say(&url, "--json|pauses|list").await;
    let listed: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(listed[0]["name"], "provisioning");
    assert_eq!(listed[0]["reason"], "Twilio is down");
    let told = doctor::queue(world.pool()).await.unwrap();
    let finding = told.iter().find(|finding| finding.check == "pauses").unwrap();
    assert!(finding.verdict == Verdict::Warning && finding.detail.contains("Twilio is down"));
    let (code, ..) = say(&url, "pauses|remove|queue:provisioning").await;
    assert_eq!((code, world.count("engine.pause").await), (0, 0));
    let (code, _, complaint) = say(&url, "pauses|remove|queue:provisioning").await;
    assert!(code == 3 && complaint.contains("is not paused"), "{complaint}");
    studio.finish().await;
}

#[tokio::test]
async fn a_connected_account_is_one_studios_and_gets_what_came_before() {
    let studio = Studio::new().await;
    let (world, url) = (&studio.world, studio.world.url());
    let paid = json!({
        "id": "evt_1", "object": "event", "type": "invoice.paid", "created": 1_800_000_000, "account": "acct_1",
        "data": { "object": { "id": "in_1", "amount_paid": 9900, "currency": "eur" } },
    });
    let _enqueued = studio.receive(&paid).await;
    world.drain().await;
    assert_eq!(world.count("studio.inbox WHERE state = 'unroutable'").await, 1);
    let (code, _, complaint) =
        say(&url, &format!("workspaces|add|{}|--stripe-account|acct_1", studio.workspace)).await;
    assert_eq!(code, 0, "{complaint}");
    world.drain().await;
    assert_eq!(world.count("studio.inbox WHERE state = 'processed'").await, 1);
    assert_eq!(world.texts("SELECT object_id FROM studio.payment").await, ["in_1"]);
    let other = WorkspaceId::now_v7();
    let (code, _, complaint) =
        say(&url, &format!("workspaces|add|{other}|--stripe-account|acct_1")).await;
    assert!(code == 1 && complaint.contains("never moves"), "{code} {complaint}");
    assert_eq!(world.count(&format!("studio.workspace WHERE id = '{other}'")).await, 0);
    let (code, _, complaint) =
        say(&url, &format!("workspaces|add|{other}|--stripe-account|cus_1")).await;
    assert!(code == 2 && complaint.contains("acct_"), "{code} {complaint}");
    studio.finish().await;
}

#[tokio::test]
async fn what_does_not_exist_or_makes_no_sense_is_told_by_name() {
    let studio = Studio::new().await;
    let url = studio.world.url();
    for (line, exit, says) in [
        ("schedules|run|nightly", 3, "there is no schedule \"nightly\"; there is none"),
        ("schedules|pause|nightly|--reason|x", 3, "there is no schedule"),
        (
            "weights|set|0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b|0",
            1,
            "above 0 and at most 1000, not 0",
        ),
        ("pauses|add|planet:mars|--reason|x", 2, "neither queue:NAME nor kind:NAME"),
        ("pauses|add|queue:webhooks", 2, "--reason"),
        ("jobs|cancel-all", 2, "--workspace"),
        ("jobs|retry-all|--kind|x|--per-second|0", 1, "above 0 a second"),
        ("jobs|search", 2, "--tag"),
        ("jobs|search|--output|{a", 2, "is no JSON"),
    ] {
        let (code, _, complaint) = say(&url, line).await;
        assert!(code == exit && complaint.contains(says), "{line}: {code} {complaint}");
    }
    studio.finish().await;
}

#[tokio::test]
async fn many_jobs_are_found_ended_and_put_back_to_work() {
    let studio = Studio::new().await;
    let (world, url) = (&studio.world, studio.world.url());
    world
        .execute(
            "INSERT INTO engine.job (id, workspace, kind, kind_hash, queue_hash, queue, priority, lane, run_at, payload)
             SELECT gen_random_uuid(), gen_random_uuid(), 'gone', hashtext('gone'), hashtext('default'), 'default', 2, 2, engine.clock() + n * interval '1 h', '{}'
             FROM generate_series(1, 700) AS n;
             INSERT INTO engine.tag (tag, at, job) SELECT 'order 7', created_at, id FROM engine.job ORDER BY run_at LIMIT 2;
             INSERT INTO engine.dead_letter (id, workspace, kind, queue, priority, reason, failure, token, attempt, crashes, payload, created_at)
             SELECT gen_random_uuid(), gen_random_uuid(), 'gone', 'default', 2, reason, '{}', 1, 1, 0, '{}', engine.clock()
             FROM unnest('{failed,failed,review}'::text[]) AS reason",
        )
        .await;
    let (_, said, _) = say(&url, "--json|jobs|search|--tag|order 7").await;
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 2);
    assert_eq!(found[0]["status"], "scheduled");
    let (_, said, _) = say(&url, "jobs|cancel-all|--kind|gone|--status|ready").await;
    assert_eq!(said.trim(), "0 cancelled", "they are scheduled");
    let (_, said, _) = say(&url, "jobs|cancel-all|--kind|gone").await;
    assert_eq!(said.trim(), "700 cancelled");
    let (_, said, _) = say(&url, "jobs|retry-all|--kind|gone|--per-second|0.01").await;
    assert_eq!(said.trim(), "2 are in the queue again");
    let apart = "SELECT extract(epoch FROM max(run_at) - min(run_at))::int FROM engine.job WHERE kind = 'gone'";
    let apart: i32 = world.value(apart).await;
    assert!((99..=101).contains(&apart), "at the rate: {apart} s");
    assert_eq!(world.texts("SELECT reason FROM engine.dead_letter").await, ["review"]);
    studio.world.close().await;
}

/// A kind of a version that does not run here.
#[derive(Serialize, Deserialize)]
struct Newer;

impl Job for Newer {
    type App = Lab;
    const KIND: &'static str = "test.newer";

    async fn run(&self, _: &mut Run<'_, Lab>) -> Result {
        Ok(())
    }
}

#[tokio::test]
async fn what_no_living_worker_takes_is_told_and_what_one_takes_is_not() {
    let mut world = Lab::world(|_, _| Box::pin(async { Ok(()) })).await;
    world.enqueue(&Newer).await;
    world.config.queues = vec![("other".to_owned(), 1)];
    let elsewhere = world.start();
    world.config.queues = vec![("default".to_owned(), 1)];
    let here = world.start();
    eventually("both live", async || world.count("engine.worker").await == 2).await;
    assert_eq!(doctor::unserved(world.pool()).await.unwrap(), [], "it is not overdue yet");
    world.clock.advance_alive(Duration::from_secs(11)).await.unwrap();
    let told = doctor::unserved(world.pool()).await.unwrap();
    let [unserved] = told.as_slice() else { panic!("{told:?}") };
    assert!(unserved.queue_is_served && unserved.kind == "test.newer", "{unserved}");
    assert!(unserved.to_string().contains("no living worker of that queue knows the kind"));
    here.stop().await;
    world.enqueue(&Script::default()).await;
    world.clock.advance_alive(Duration::from_secs(11)).await.unwrap();
    let told = doctor::unserved(world.pool()).await.unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|unserved| !unserved.queue_is_served));
    let finding = doctor::queue(world.pool()).await.unwrap();
    let finding = finding.iter().find(|finding| finding.check == "unserved jobs").unwrap();
    assert!(
        finding.verdict == Verdict::Problem && finding.detail.contains("no living worker serves")
    );
    elsewhere.stop().await;
    world.close().await;
}

//! Provisionings that somebody cancelled, or that nobody began again: told, and what they were to mend is not called mended.

use std::time::Duration;

use autopilot_engine::ops;
use autopilot_engine::ops::pauses::{self, Scope};
use autopilot_sandbox::{Fault, Provider, Rule};
use autopilot_tests::{Inside, Studio, eventually};
use autopilot_workflows::provisioning;
use autopilot_workflows::repair::{Check, CheckDue};
use serde_json::json;
use sqlx::Connection;

use super::{ELSEWHERE, HERE, check, repairs, runs, wrong};
use crate::operators::say;

/// What is asked for meanwhile is enqueued and cancelled.
async fn cancelled(studio: &Studio, ask: impl AsyncFnOnce()) {
    let provisioning = Scope::Kind("studio.provision".to_owned());
    pauses::pause(studio.world.pool(), &provisioning, "to be cancelled").await.unwrap();
    ask().await;
    let run = studio.run().await.run;
    ops::cancel(studio.world.pool(), run.id).await.unwrap();
    pauses::resume(studio.world.pool(), &provisioning).await.unwrap();
    studio.world.drain().await;
    assert_eq!(studio.run().await.run.status, "cancelled");
}

#[tokio::test]
async fn a_studio_that_pays_and_whose_provisioning_was_cancelled_is_told_without_anybody_asking() {
    let studio = Studio::paid().await;
    cancelled(&studio, async || assert!(!studio.trigger().await.joined)).await;
    studio.world.clock.advance_alive(Duration::from_secs(601)).await.unwrap();
    studio.world.enqueue(&CheckDue {}).await;
    studio.world.drain().await;
    let told = wrong(&studio.world).await;
    assert!(told.contains(&"provisioning failing warning".to_owned()), "{told:?}");
    let line = format!("health|--workspace|{}", studio.workspace);
    let (code, said, _) = say(&studio.world.url(), &line).await;
    let action = format!("autopilot provision {}", studio.workspace);
    assert!(
        code == 0
            && said.contains("is degraded")
            && said.contains("was cancelled")
            && said.contains(&action),
        "{said}"
    );
    assert_eq!(runs(&studio.world).await, 1, "who cancelled it meant it");

    studio.trigger().await;
    let told = wrong(&studio.world).await;
    assert!(!told.contains(&"provisioning failing warning".to_owned()), "one has begun: {told:?}");
    studio.world.drain().await;
    assert_eq!(wrong(&studio.world).await, Vec::<String>::new());
    studio.finish().await;
}

#[tokio::test]
async fn whoever_is_just_asking_for_another_provisioning_is_waited_for_before_anything_is_told() {
    let mut studio = Studio::paid().await;
    cancelled(&studio, async || assert!(!studio.trigger().await.joined)).await;
    let mut conn = studio.world.connect().await;
    let mut asking = conn.begin().await.unwrap();
    provisioning::trigger(&mut asking, studio.workspace, None).await.unwrap();
    let checks = |queue: &(String, _)| queue.0 == "default";
    let both = std::mem::take(&mut studio.world.config.queues);
    studio.world.config.queues = both.iter().filter(|queue| checks(queue)).cloned().collect();
    studio.world.enqueue(&Check { workspace: studio.workspace }).await;
    let process = studio.world.start();
    studio.world.waiting_for_locks(1).await;
    asking.commit().await.unwrap();
    eventually("the check has ended", async || {
        studio.world.count("engine.job WHERE kind = 'studio.check'").await == 0
    })
    .await;
    process.stop().await;
    let told = wrong(&studio.world).await;
    assert!(!told.contains(&"provisioning failing warning".to_owned()), "one has begun: {told:?}");
    studio.world.config.queues = both;
    studio.world.drain().await;
    assert_eq!(studio.run().await.run.status, "completed");
    studio.close().await;
}

#[tokio::test]
async fn what_was_asked_for_and_what_nobody_does_is_begun_without_anybody() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.world.execute("UPDATE studio.workspace SET due_since = engine.now()").await;
    for _ in 0..2 {
        studio.world.clock.advance_alive(Duration::from_secs(601)).await.unwrap();
        studio.world.enqueue(&CheckDue {}).await;
        studio.world.drain().await;
    }
    assert_eq!(runs(&studio.world).await, 2);
    assert_eq!(studio.world.count("studio.workspace WHERE due_since IS NOT NULL").await, 0);
    let told = repairs(&studio.world).await.concat();
    assert!(told.contains("no provisioning has followed") && told.ends_with("| mended"), "{told}");
    studio.close().await;
}

#[tokio::test]
async fn a_studio_that_has_not_paid_yet_lacks_nothing() {
    let studio = Studio::new().await;
    studio.trigger().await;
    studio.world.drain().await;
    studio.world.clock.advance_alive(Duration::from_secs(601)).await.unwrap();
    studio.world.enqueue(&CheckDue {}).await;
    studio.world.drain().await;
    let told = wrong(&studio.world).await;
    assert!(!told.is_empty() && told.iter().all(|told| told.ends_with(" info")), "{told:?}");
    studio.close().await;
}

#[tokio::test]
async fn what_was_asked_for_before_a_provisioning_failed_for_good_is_begun_without_anybody() {
    let studio = Studio::paid().await;
    let body = json!({ "code": 10002, "message": "No.", "status": 403 });
    let refusal = Fault::Status { status: 403, retry_after: None, body: Some(body) };
    let on_trial = Rule::new(Provider::Twilio, refusal).method("POST");
    studio.sandbox.faults().add(on_trial.path_contains("/IncomingPhoneNumbers.json").times(3));
    let first = studio.trigger().await.run;
    studio.world.clock.advance_alive(Duration::from_secs(1)).await.unwrap();
    assert!(studio.trigger().await.joined);
    let checked_later = async || {
        studio.world.drain().await;
        studio.world.clock.advance_alive(Duration::from_secs(601)).await.unwrap();
        studio.world.enqueue(&Check { workspace: studio.workspace }).await;
        studio.world.drain().await;
        runs(&studio.world).await
    };
    assert_eq!(checked_later().await, 1, "it has taken up whatever was asked for");
    ops::retry(studio.world.pool(), first).await.unwrap();
    assert!(studio.trigger().await.joined);
    assert_eq!(checked_later().await, 2, "it had gone past what was asked for");
    assert_eq!(studio.run().await.run.status, "failed");
    assert_eq!(checked_later().await, 2, "nobody has asked since: that is for a person");
    studio.trigger().await;
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after three refusals").await;
    studio.close().await;
}

#[tokio::test]
async fn an_older_provisioning_that_was_put_back_is_under_way_and_nothing_else_is_begun() {
    let studio = Studio::paid().await;
    studio.sandbox.faults().add(Rule::new(Provider::Twilio, Fault::Auth).times(100_000));
    studio.provision().await;
    let older = studio.run().await.run.id;
    studio.sandbox.faults().clear();
    studio.provision().await;
    ops::retry(studio.world.pool(), older).await.unwrap();
    let provisioning = Scope::Kind("studio.provision".to_owned());
    pauses::pause(studio.world.pool(), &provisioning, "it waits").await.unwrap();
    studio.trigger().await;
    studio.world.clock.advance_alive(Duration::from_secs(601)).await.unwrap();
    let check = studio.world.enqueue(&Check { workspace: studio.workspace }).await;
    studio.world.attempt(check).await;
    assert_eq!(repairs(&studio.world).await, Vec::<String>::new());
    pauses::resume(studio.world.pool(), &provisioning).await.unwrap();
    studio.world.drain_all().await;
    assert_eq!(runs(&studio.world).await, 3);
    studio.close().await;
}

#[tokio::test]
async fn what_a_cancelled_provisioning_was_to_mend_is_not_mended_before_another_has() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.tamper_with_the_number(ELSEWHERE).await;
    cancelled(&studio, async || {
        let asked = studio.world.enqueue(&Check { workspace: studio.workspace }).await;
        studio.world.attempt(asked).await;
    })
    .await;
    let [repair] = &repairs(&studio.world).await[..] else { panic!("one repair") };
    assert!(repair.ends_with("| under_way"), "{repair}");
    check(&studio).await;
    let [repair] = &repairs(&studio.world).await[..] else { panic!("one repair") };
    assert!(repair.ends_with("| failed"), "{repair}");
    let run = studio.run().await.run;
    ops::retry(studio.world.pool(), run.id).await.unwrap();
    studio.world.drain().await;
    let [repair] = &repairs(&studio.world).await[..] else { panic!("one repair") };
    assert!(repair.ends_with("| mended"), "{repair}");
    assert_eq!(studio.number().await["voice_url"], HERE);
    check(&studio).await;
    assert_eq!(wrong(&studio.world).await, Vec::<String>::new());
    studio.finish().await;
}

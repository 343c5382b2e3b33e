//! A provisioning whose calls have no turn: the pace that is set for a provider is used up.

use std::num::NonZeroU32;

use autopilot_tests::Studio;
use autopilot_workflows::app::WhatsAppLine;
use autopilot_workflows::integrations::http::Pace;

/// One call at once, and the next tomorrow.
fn one_call() -> Pace {
    Pace::per_second(NonZeroU32::MIN, NonZeroU32::new(86_400).unwrap())
}

#[tokio::test]
async fn a_step_without_a_turn_waits_and_neither_holds_up_the_rest_nor_spends_an_attempt() {
    let mut studio = Studio::paid().await;
    studio.configure(|app| {
        app.whatsapp = app
            .whatsapp
            .take()
            .map(|line| WhatsAppLine { client: line.client.paced(one_call()), ..line });
    });
    let run = studio.provision().await;
    let progress = studio.progress().await;
    assert_eq!(
        progress,
        "waiting 70 %, ensure_whatsapp_integration waiting, run_smoke_tests pending"
    );
    assert_eq!((run.run.attempt, run.failures.len()), (0, 0), "waiting spends no attempt");
    let waiting = run.steps.into_iter().find(|step| step.state == "waiting");
    let reason = waiting.and_then(|step| step.detail).unwrap_or_default();
    assert!(reason.contains("no turn"), "{reason}");

    studio.configure(|_| {});
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after a wait for a turn").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_subaccount_without_a_turn_lets_its_number_wait_too_and_skips_nothing() {
    let mut studio = Studio::paid().await;
    studio.configure(|app| app.twilio = app.twilio.take().map(|twilio| twilio.paced(one_call())));
    let run = studio.provision().await;
    let states: Vec<_> = run.steps.iter().map(|step| step.state.as_str()).collect();
    assert_eq!(states[..3], ["done", "waiting", "pending"]);
    let created = studio.summary().await.calls_of("twilio.create_subaccount");
    assert_eq!(created, 0, "a call without a turn is not made");

    studio.configure(|_| {});
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after a wait for a turn").await;
    studio.finish().await;
}

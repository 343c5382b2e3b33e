//! Checks while a provider is away, and when it is back.

use std::time::Duration;

use autopilot_sandbox::{Fault, Provider, Rule};
use autopilot_tests::Studio;
use autopilot_workflows::repair::CheckDue;

use super::{ELSEWHERE, HERE, check, repairs, runs, wrong};

/// The time between two ticks of the schedule.
const TICK: Duration = Duration::from_secs(601);

fn down(provider: Provider) -> Rule {
    let fault = Fault::Status { status: 503, retry_after: None, body: None };
    Rule::new(provider, fault).times(100_000)
}

/// The schedule ticks, and what comes of it is done.
async fn tick(studio: &Studio) {
    studio.world.enqueue(&CheckDue {}).await;
    studio.world.drain().await;
    studio.world.clock.advance_alive(TICK).await.unwrap();
}

/// Ticks until there were so many provisionings, fewer times than `most`.
async fn tick_until_run(studio: &Studio, wanted: i64, most: usize) {
    let mut ticks = 0;
    while runs(&studio.world).await < wanted {
        ticks += 1;
        assert!(ticks < most, "it is not healed: {:?}", wrong(&studio.world).await);
        tick(studio).await;
    }
}

#[tokio::test]
async fn while_a_provider_is_down_a_check_waits_spends_nothing_and_triggers_nothing() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.tamper_with_the_number(ELSEWHERE).await;
    studio.world.clock.freeze().await.unwrap();
    studio.sandbox.faults().add(down(Provider::Stripe));
    check(&studio).await;
    for _ in 0..20 {
        if studio.world.count("engine.breaker WHERE opened_at IS NOT NULL").await > 0 {
            break;
        }
        assert!(studio.world.advance_to_next().await);
        studio.world.drain().await;
    }
    for _ in 0..3 {
        assert!(studio.world.advance_to_next().await, "it waits");
        studio.world.drain().await;
    }
    let waits = "engine.job WHERE kind = 'studio.check' AND attempt = 0";
    assert_eq!(studio.world.count(waits).await, 1, "no attempt is spent");
    assert_eq!((runs(&studio.world).await, repairs(&studio.world).await), (1, vec![]));
    assert_eq!(studio.number().await["voice_url"], ELSEWHERE);

    studio.sandbox.faults().clear();
    studio.world.drain_all().await;
    assert_eq!((runs(&studio.world).await, repairs(&studio.world).await.len()), (2, 1));
    assert_eq!(studio.number().await["voice_url"], HERE);
    studio.finish().await;
}

#[tokio::test]
async fn a_degraded_studio_is_completed_when_what_was_missing_is_back_without_anybody() {
    let mut studio = Studio::paid().await;
    studio.configure(|app| app.whatsapp = None);
    studio.sandbox.faults().add(Rule::new(Provider::Smtp, Fault::ResetBefore).times(100_000));
    studio.trigger().await;
    studio.world.drain_all().await;
    assert_eq!(studio.run().await.run.status, "degraded");
    assert_eq!(
        wrong(&studio.world).await,
        ["email failing warning", "provisioning failing warning", "whatsapp not_set_up warning"]
    );
    for _ in 0..3 {
        tick(&studio).await;
    }
    assert_eq!(runs(&studio.world).await, 1, "nothing is there that could be set up");

    // The mail server is back: what it brings is set up, and what is still missing is still told.
    studio.sandbox.faults().clear();
    tick_until_run(&studio, 2, 20).await;
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "degraded 85 %, ensure_whatsapp_integration skipped");
    assert_eq!(
        wrong(&studio.world).await,
        ["provisioning failing warning", "whatsapp not_set_up warning"]
    );

    // Somebody sets WhatsApp up, and a process is restarted with it.
    studio.configure(|_| {});
    tick_until_run(&studio, 3, 3).await; // The setting is noticed with the next tick.
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    assert_eq!(wrong(&studio.world).await, [""; 0]);
    assert!(repairs(&studio.world).await.iter().any(|repair| {
        repair.starts_with("whatsapp | the studio's WhatsApp line is not set up yet")
    }));
    studio.bought_once("after two repairs").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_provisioning_that_a_refused_key_had_failed_is_done_when_the_key_is_right() {
    let studio = Studio::paid().await;
    let body = serde_json::json!({ "code": 20003, "message": "Authenticate", "status": 401 });
    let refusal = Fault::Status { status: 401, retry_after: None, body: Some(body) };
    studio.sandbox.faults().add(Rule::new(Provider::Twilio, refusal).times(100_000));
    studio.provision().await;
    assert_eq!(studio.run().await.run.status, "failed");
    for _ in 0..4 {
        tick(&studio).await;
    }
    assert_eq!(runs(&studio.world).await, 1, "as long as the key is refused nothing is tried");
    studio.sandbox.faults().clear();
    tick_until_run(&studio, 2, 20).await;
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the key was right").await;
    // The letter of the first run is for a person to put away.
    assert_eq!(studio.world.count("engine.dead_letter").await, 1);
    studio.close().await;
}

#[tokio::test]
async fn what_somebody_has_learnt_while_a_check_waited_is_not_overwritten() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.world.clock.freeze().await.unwrap();
    studio.tamper_with_the_number(ELSEWHERE).await;
    studio.sandbox.faults().add(down(Provider::Whatsapp));
    check(&studio).await;
    let asked = "engine.step WHERE name = 'ask_twilio' AND state = 'done'";
    assert_eq!(studio.world.count(asked).await, 1, "it waits for WhatsApp alone");

    studio.tamper_with_the_number(HERE).await;
    studio.world.clock.advance_alive(Duration::from_secs(1)).await.unwrap();
    let learnt = "UPDATE studio.health SET checked_at = engine.now() WHERE component = 'twilio'";
    studio.world.execute(learnt).await;
    studio.sandbox.faults().clear();
    studio.world.drain_all().await;
    assert_eq!((runs(&studio.world).await, repairs(&studio.world).await), (1, vec![]));
    assert_eq!(wrong(&studio.world).await, [""; 0]);
    let soon = "studio.workspace WHERE check_at < engine.now() + interval '11 minutes'";
    assert_eq!(studio.world.count(soon).await, 1, "all is asked again");
    studio.finish().await;
}

#[tokio::test]
async fn what_was_asked_long_ago_is_not_told_as_seen_now() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.world.clock.freeze().await.unwrap();
    studio.sandbox.faults().add(down(Provider::Whatsapp));
    check(&studio).await;
    studio.sandbox.faults().clear();
    studio.world.clock.advance_alive(TICK).await.unwrap();
    studio.world.drain_all().await;
    let seen = "studio.health WHERE component = 'twilio' AND checked_at > engine.now() - interval '5 minutes'";
    assert_eq!(studio.world.count(seen).await, 0, "it was asked ten minutes ago");
    check(&studio).await;
    assert_eq!(studio.world.count(seen).await, 1, "it is asked again");
    studio.finish().await;
}

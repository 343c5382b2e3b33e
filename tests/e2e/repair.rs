//! What providers say otherwise than we wrote down is found, mended where a provisioning mends it, and told where only a person can.

mod outages;
mod refused;
mod stopped;
mod sweeps;

use std::time::Duration;

use autopilot_engine::{NewJob, WorkspaceId};
use autopilot_sandbox::{Checkout, SubscriptionStatus};
use autopilot_tests::{Providers, SETTLE, Studio, World, crash_at_every_step};
use autopilot_workflows::app::App;
use autopilot_workflows::repair::Check;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::operators::say;

const ELSEWHERE: &str = "https://elsewhere.example/";
const HERE: &str = "https://autopilot.example/webhooks/twilio/voice";

/// Asks about the studio, and does what follows.
async fn check(studio: &Studio) {
    studio.world.enqueue(&Check { workspace: studio.workspace }).await;
    studio.world.drain().await;
}

/// What was found and done.
async fn repairs(world: &World<App>) -> Vec<String> {
    world.texts("SELECT concat_ws(' | ', component, found, done, outcome) FROM studio.repair ORDER BY id").await
}

/// How many provisionings there were.
async fn runs(world: &World<App>) -> i64 {
    world.count("engine.run WHERE kind = 'studio.provision'").await
}

/// The studio's parts that are not as they should be.
async fn wrong(world: &World<App>) -> Vec<String> {
    world
        .texts("SELECT concat_ws(' ', component, standing, severity) FROM studio.health WHERE severity IS NOT NULL ORDER BY 1")
        .await
}

#[tokio::test]
async fn a_number_whose_webhooks_somebody_changed_is_mended_and_it_says_so() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.tamper_with_the_number(ELSEWHERE).await;
    check(&studio).await;
    assert_eq!(studio.number().await["voice_url"], HERE);
    let [repair] = &repairs(&studio.world).await[..] else { panic!("one repair") };
    assert!(repair.starts_with("twilio | somebody has changed the webhooks of +"), "{repair}");
    assert!(repair.ends_with(" | a new provisioning was started | mended"), "{repair}");
    assert_eq!((runs(&studio.world).await, wrong(&studio.world).await), (2, vec![]));
    studio.bought_once("after the repair").await;

    let (_, said, _) = say(&studio.world.url(), "--json|repairs|list").await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said[0]["component"], &said[0]["outcome"]), (&"twilio".into(), &"mended".into()));
    let run = studio.run().await.run.id.to_string();
    assert_eq!(said[0]["run"], run);
    let (_, said, _) =
        say(&studio.world.url(), &format!("--json|health|--workspace|{}", studio.workspace)).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["repairs"][0]["run"], run);
    let (_, said, _) =
        say(&studio.world.url(), &format!("repairs|list|--workspace|{}", studio.workspace)).await;
    assert!(said.contains("somebody has changed the webhooks"), "{said}");
    studio.finish().await;
}

#[tokio::test]
async fn a_closed_or_deleted_subaccount_gives_way_to_another_with_a_number_once() {
    for is_deleted in [false, true] {
        let studio = Studio::paid().await;
        studio.provision().await;
        let [account] =
            &studio.world.texts("SELECT account_sid FROM studio.twilio_account").await[..]
        else {
            panic!("one account")
        };
        studio.close_account(account).await;
        studio.world.clock.advance_alive(SETTLE).await.unwrap();
        if is_deleted {
            studio.sandbox.forget_account(account);
        }
        for _ in 0..3 {
            check(&studio).await;
        }
        let summary = studio.summary().await;
        for operation in ["twilio.create_subaccount", "twilio.buy_number"] {
            assert_eq!(summary.calls_of(operation), 2, "{operation}");
        }
        let [repair] = &repairs(&studio.world).await[..] else { panic!("one repair") };
        let how = if is_deleted { "was deleted" } else { "was closed" };
        assert!(repair.contains(how) && repair.ends_with("| mended"), "{repair}");
        assert_eq!((runs(&studio.world).await, wrong(&studio.world).await), (2, vec![]));
        studio.finish().await;
    }
}

#[tokio::test]
async fn a_subscription_that_differs_from_stripes_is_written_down() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio
        .world
        .execute("UPDATE studio.subscription SET status = 'past_due', price_id = 'price_old'")
        .await;
    check(&studio).await;
    assert_eq!(studio.world.texts("SELECT status FROM studio.subscription").await, ["active"]);
    let [repair] = &repairs(&studio.world).await[..] else { panic!("one repair") };
    assert!(repair.starts_with("stripe | our books said past_due"), "{repair}");
    assert!(repair.ends_with("| written_down"), "{repair}");
    check(&studio).await;
    assert_eq!((repairs(&studio.world).await.len(), runs(&studio.world).await), (1, 1));
    studio.finish().await;
}

#[tokio::test]
async fn nothing_is_repaired_for_a_studio_that_is_well_nor_for_one_that_was_never_provisioned() {
    let studio = Studio::paid().await;
    check(&studio).await;
    assert_eq!((repairs(&studio.world).await, runs(&studio.world).await), (vec![], 0));
    studio.provision().await;
    let before = studio.summary().await;
    for _ in 0..2 {
        check(&studio).await;
    }
    assert_eq!((repairs(&studio.world).await, runs(&studio.world).await), (vec![], 1));
    let after = studio.summary().await;
    for operation in [
        "twilio.buy_number",
        "twilio.create_subaccount",
        "twilio.update_number",
        "whatsapp.subscribe_app",
    ] {
        assert_eq!(before.calls_of(operation), after.calls_of(operation), "{operation}");
    }
    let day = "studio.workspace WHERE check_wait IS NULL AND check_at BETWEEN engine.now() + interval '22 hours' AND engine.now() + interval '26 hours'";
    assert_eq!(studio.world.count(day).await, 1, "it is asked about in a day");
    studio.finish().await;
}

#[tokio::test]
async fn a_studio_whose_subscription_is_cancelled_is_not_provisioned_anew() {
    let studio = Studio::paid().await;
    studio.provision().await;
    let mut checkout = Checkout::new(WorkspaceId::now_v7().to_string());
    checkout.subscription_status = SubscriptionStatus::Canceled;
    let event = studio.event_of(&checkout).await;
    let customer = event.pointer("/data/object/customer").and_then(Value::as_str).unwrap();
    studio
        .world
        .execute(&format!("UPDATE studio.workspace SET stripe_customer_id = '{customer}'"))
        .await;
    studio.tamper_with_the_number(ELSEWHERE).await;
    check(&studio).await;
    assert_eq!(studio.number().await["voice_url"], ELSEWHERE);
    assert_eq!(runs(&studio.world).await, 1);
    let told = repairs(&studio.world).await;
    assert!(told.iter().all(|told| told.ends_with("| written_down")), "{told:?}");
    assert_eq!(wrong(&studio.world).await, ["stripe waiting info", "twilio failing info"]);
    studio.finish().await;
}

#[tokio::test]
async fn a_number_that_somebody_renamed_is_left_to_a_person_for_a_run_would_buy_another() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.rename_the_number("Empfang").await;
    for _ in 0..2 {
        check(&studio).await;
    }
    let [told] = &repairs(&studio.world).await[..] else { panic!("told once") };
    assert!(told.contains("renamed") && told.ends_with("| told"), "{told}");
    assert!(told.contains(&format!("autopilot:ws:{}", studio.workspace)), "{told}");
    studio.bought_once("after nobody did anything").await;
    assert_eq!(runs(&studio.world).await, 1);
    studio.finish().await;
}

#[tokio::test]
async fn two_checks_of_one_studio_never_run_at_once() {
    let studio = Studio::paid().await;
    studio.provision().await;
    let check = Check { workspace: studio.workspace };
    let first = studio.world.submit(NewJob::of(&check).unwrap()).await;
    let second = studio.world.submit(NewJob::of(&check).unwrap()).await;
    assert_eq!(first.id(), second.id(), "the second is the first");
    // The check stands aside for as long as the tick looks.
    let world = &studio.world;
    world
        .execute("INSERT INTO engine.pause (scope, name, reason) VALUES ('kind', 'studio.check', 'test')")
        .await;
    world.execute("UPDATE studio.workspace SET check_at = engine.now()").await;
    let tick = world.enqueue(&autopilot_workflows::repair::CheckDue {}).await;
    assert_eq!(world.attempt(tick).await, "completed");
    assert_eq!(world.count("engine.job WHERE kind = 'studio.check'").await, 1, "it has added none");
    studio.close().await;
}

#[tokio::test]
async fn a_token_is_told_before_it_expires_and_a_refused_one_with_its_setting() {
    let studio = Studio::paid().await;
    studio.provision().await;
    let now: i64 = studio.world.value("SELECT extract(epoch FROM engine.now())::bigint").await;
    let day = 24 * 3600;
    for (expires, told) in [
        (Some(now + 20 * day), vec![]),
        (Some(now + 10 * day), vec!["whatsapp working warning"]),
        (Some(now + 2 * day), vec!["whatsapp working critical"]),
        // One that never ends.
        (Some(0), vec![]),
        // Meta does not say.
        (None, vec![]),
    ] {
        studio.sandbox.expire_whatsapp_token(expires);
        check(&studio).await;
        assert_eq!(wrong(&studio.world).await, told, "{expires:?}");
    }
    let body = json!({ "error": { "message": "Error validating access token", "type": "OAuthException", "code": 190 } });
    let refusal =
        autopilot_sandbox::Fault::Status { status: 401, retry_after: None, body: Some(body) };
    studio.sandbox.faults().add(
        autopilot_sandbox::Rule::new(autopilot_sandbox::Provider::Whatsapp, refusal).times(1_000),
    );
    check(&studio).await;
    assert_eq!(wrong(&studio.world).await, ["whatsapp failing critical"]);
    let action: String =
        studio.world.value("SELECT action FROM studio.health WHERE component = 'whatsapp'").await;
    assert!(action.contains("WHATSAPP_API_TOKEN"), "{action}");
    assert_eq!(runs(&studio.world).await, 1, "no run mends a token");
    studio.finish().await;
}

/// One studio whose number was tampered with, made anew for every crash.
struct Remade {
    workspace: WorkspaceId,
    providers: Mutex<Option<Providers>>,
}

impl Remade {
    async fn world(&self) -> World<App> {
        let studio = Studio::paid_as(self.workspace).await;
        studio.provision().await;
        studio.tamper_with_the_number(ELSEWHERE).await;
        let Studio { mut world, sandbox, .. } = studio;
        world.execute("UPDATE studio.subscription SET status = 'past_due'").await;
        // The rescue looks as often as the heart beats.
        world.config.heartbeat = Duration::from_millis(50);
        *self.providers.lock().await = Some(sandbox);
        world
    }
}

#[tokio::test]
async fn a_check_that_is_killed_at_any_boundary_repairs_everything_once() {
    let remade = Remade { workspace: WorkspaceId::now_v7(), providers: Mutex::default() };
    let job = Check { workspace: remade.workspace };
    let crashes = crash_at_every_step(
        async || remade.world().await,
        &job,
        async |world, place| {
            let repairs = repairs(world).await;
            let [books, number] = &repairs[..] else { panic!("{repairs:?}, killed at {place}") };
            assert!(books.ends_with("| written_down"), "{books}, killed at {place}");
            assert!(number.ends_with("| mended"), "{number}, killed at {place}");
            assert_eq!(runs(world).await, 2, "killed at {place}");
            assert_eq!(wrong(world).await, [""; 0], "killed at {place}");
            let providers = remade.providers.lock().await;
            let summary = providers.as_ref().unwrap().summary().await.unwrap();
            autopilot_tests::bought_once(&summary, &format!("killed at {place}"));
        },
    )
    .await;
    // Four boundaries of each of the check's five steps and two at its end; the rest is the provisioning's, which has a test of its own.
    assert_eq!(crashes, 22 + 36);
}

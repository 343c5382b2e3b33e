//! A provisioning that waits for somebody else: for documents, for a payment.

use autopilot_engine::ops;
use autopilot_sandbox::{BundleStatus, Checkout, PaymentStatus, SubscriptionStatus};
use autopilot_tests::{LOOK_AGAIN, Studio};
use serde_json::json;

/// An address that is registered with Twilio.
const ADDRESS: &str = "AD5a0db0c5a0db0c5a0db0c5a0db0c5a0d";

/// What is done while the number waits: all but the number (20) and the smoke tests (15).
const ALL_BUT_THE_NUMBER: &str =
    "waiting 65 %, ensure_twilio_number waiting, run_smoke_tests pending";

async fn signal(studio: &Studio, event: &str) -> usize {
    let mut tx = studio.world.pool().begin().await.unwrap();
    let woken = ops::signal(&mut tx, event).await.unwrap();
    tx.commit().await.unwrap();
    woken
}

/// What the number's step says that it waits for.
async fn waits_for(studio: &Studio) -> String {
    let run = studio.run().await;
    let waiting = run.steps.into_iter().find(|step| step.state == "waiting");
    waiting.and_then(|step| step.detail).unwrap_or_default()
}

#[tokio::test]
async fn a_german_studio_without_papers_waits_for_its_number_and_for_nothing_else() {
    let studio = Studio::paid().await;
    studio.settle_in("DE", None, None).await;
    let run = studio.provision().await;
    assert_eq!(studio.progress().await, ALL_BUT_THE_NUMBER);
    assert!(waits_for(&studio).await.contains("documents have not been submitted"));
    assert_eq!((run.run.attempt, run.failures.len()), (0, 0), "waiting spends no attempt");
    assert!(run.run.next_at.is_some());

    // The papers are handed in: the run hears of it, and goes on waiting for those who examine them.
    let bundle = studio.bundle(None, BundleStatus::PendingReview).await;
    studio.settle_in("DE", Some(ADDRESS), Some(&bundle)).await;
    assert_eq!(signal(&studio, &format!("twilio.bundle/{}", studio.workspace)).await, 1);
    studio.world.drain().await;
    assert_eq!(studio.progress().await, ALL_BUT_THE_NUMBER);
    assert!(waits_for(&studio).await.contains(&bundle));
    assert_eq!(studio.summary().await.calls_of("twilio.buy_number"), 0);

    studio.bundle(Some(&bundle), BundleStatus::TwilioApproved).await;
    assert_eq!(signal(&studio, &format!("twilio.bundle/{bundle}")).await, 1);
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the approval").await;
    let summary = studio.summary().await;
    assert_eq!(summary.calls_of("stripe.list_subscriptions"), 1, "what is done is not done again");
    studio.finish().await;
}

#[tokio::test]
async fn an_approval_that_nobody_tells_of_is_found_by_looking_again() {
    let studio = Studio::paid().await;
    let bundle = studio.bundle(None, BundleStatus::InReview).await;
    studio.settle_in("DE", Some(ADDRESS), Some(&bundle)).await;
    studio.world.clock.freeze().await.unwrap();
    studio.provision().await;
    studio.bundle(Some(&bundle), BundleStatus::TwilioApproved).await;
    let second = std::time::Duration::from_secs(1);
    studio.world.clock.advance_alive(LOOK_AGAIN - second).await.unwrap();
    studio.world.drain().await;
    assert_eq!(studio.progress().await, ALL_BUT_THE_NUMBER);
    studio.world.clock.advance_alive(second).await.unwrap();
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after looking again").await;
    studio.finish().await;
}

#[tokio::test]
async fn papers_that_were_rejected_end_the_run_with_an_action_and_a_retry_mends_it() {
    let studio = Studio::paid().await;
    let bundle = studio.bundle(None, BundleStatus::TwilioRejected).await;
    studio.settle_in("DE", Some(ADDRESS), Some(&bundle)).await;
    let run = studio.provision().await;
    assert_eq!(run.run.status, "failed");
    let [failure] = run.failures.as_slice() else { panic!("{:?}", run.failures) };
    assert_eq!(
        (failure.class.as_str(), failure.code.as_str()),
        ("PROVISIONING_ERROR", "twilio_bundle_not_approved")
    );
    assert!(failure.action.as_deref().is_some_and(|action| action.contains("runs retry")));

    studio.bundle(Some(&bundle), BundleStatus::TwilioApproved).await;
    ops::retry(studio.world.pool(), run.run.id).await.unwrap();
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the retry").await;
    studio.finish().await;
}

#[tokio::test]
async fn a_subscription_whose_first_payment_is_open_buys_nothing_until_it_is_paid() {
    let studio = Studio::new().await;
    let mut checkout = Checkout::new(studio.workspace.to_string());
    checkout.customer = Some("cus_open".to_owned());
    checkout.subscription_status = SubscriptionStatus::Incomplete;
    checkout.payment_status = PaymentStatus::NoPaymentRequired;
    let _received = studio.checkout(&checkout).await;
    studio.world.drain().await;
    let nothing = "waiting 0 %, ensure_subscription waiting, ensure_twilio_subaccount pending, \
                   ensure_twilio_number pending, ensure_whatsapp_integration pending, \
                   ensure_email_credentials pending, seed_default_ai_config pending, \
                   run_smoke_tests pending";
    assert_eq!(studio.progress().await, nothing);
    assert_eq!(studio.summary().await.calls_of("twilio.create_subaccount"), 0);

    // Stripe says so in an event about the subscription, which names only its customer.
    checkout.subscription_status = SubscriptionStatus::Active;
    studio.event_of(&checkout).await;
    let updated = json!({"id": "evt_updated", "type": "customer.subscription.updated",
        "data": {"object": {"customer": "cus_open"}}});
    let _received = studio.receive(&updated).await;
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("after the payment").await;
    assert_eq!(studio.world.count("engine.run").await, 1, "it is the same run that went on");
    studio.finish().await;
}

#[tokio::test]
async fn a_studio_that_has_not_checked_out_waits_at_no_cost() {
    let studio = Studio::new().await;
    studio.provision().await;
    assert!(waits_for(&studio).await.contains("no checkout"));
    let calls = studio.summary().await.calls;
    assert_eq!(calls, 0, "nobody is called for it");
    let _received = studio.checkout(&Checkout::new(studio.workspace.to_string())).await;
    studio.world.drain().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    assert_eq!(studio.world.count("engine.run").await, 1);
    studio.finish().await;
}

#[tokio::test]
async fn a_subscription_that_entitles_to_nothing_fails_with_an_action() {
    let blocked = [
        SubscriptionStatus::Canceled,
        SubscriptionStatus::Unpaid,
        SubscriptionStatus::IncompleteExpired,
    ];
    for status in blocked {
        let studio = Studio::new().await;
        let mut checkout = Checkout::new(studio.workspace.to_string());
        checkout.subscription_status = status;
        studio.bind(&checkout).await;
        let run = studio.provision().await;
        assert_eq!((run.run.status.as_str(), run.run.percent), ("failed", 0), "{status:?}");
        let [failure] = run.failures.as_slice() else { panic!("{:?}", run.failures) };
        assert_eq!(failure.code, "no_entitled_subscription");
        assert!(failure.action.is_some() && failure.retry_in.is_none(), "{failure:?}");
        assert_eq!(studio.summary().await.calls_of("twilio.create_subaccount"), 0);
        studio.close().await;
    }
}

#[tokio::test]
async fn a_purchase_that_took_long_to_write_down_is_not_begun_and_says_why() {
    let studio = Studio::paid().await;
    studio.world.clock.freeze().await.unwrap();
    studio
        .world
        .execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(2.5); RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON studio.purchase FOR EACH ROW EXECUTE FUNCTION slow();",
        )
        .await;
    studio.trigger().await;
    studio.world.drain().await;
    let waits = waits_for(&studio).await;
    assert!(waits.contains("the database took"), "{waits}");
    assert_eq!(studio.summary().await.calls_of("twilio.create_subaccount"), 0);
    assert_eq!(studio.world.count("studio.purchase").await, 0, "it is under way no more");
    studio.world.execute("DROP TRIGGER slow ON studio.purchase").await;
    studio.world.drain_all().await;
    assert_eq!(studio.progress().await, "completed 100 %");
    studio.bought_once("though the database was slow").await;
    studio.finish().await;
}

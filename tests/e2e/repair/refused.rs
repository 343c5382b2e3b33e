//! What is refused for good: a check says so, and keeps nothing else from being mended.

use autopilot_sandbox::{Fault, Provider, Rule};
use autopilot_tests::{SETTLE, Studio};
use autopilot_workflows::state::provider::Provider as Of;
use autopilot_workflows::webhooks::account_gaps::RepairAccountGaps;
use serde_json::json;

use super::{ELSEWHERE, HERE, check, repairs, runs, wrong};

#[tokio::test]
async fn a_call_that_only_a_provisioning_makes_and_that_is_refused_starts_no_other_provisioning() {
    let studio = Studio::paid().await;
    let body = json!({ "error": { "type": "invalid_request_error", "message": "the key may not read the balance" } });
    let refusal = Fault::Status { status: 403, retry_after: None, body: Some(body) };
    let balance = Rule::new(Provider::Stripe, refusal).path_contains("/v1/balance").times(100_000);
    studio.sandbox.faults().add(balance);
    studio.provision().await;
    assert_eq!(studio.run().await.run.status, "failed");
    for _ in 0..3 {
        check(&studio).await;
    }
    assert_eq!(runs(&studio.world).await, 1);
    assert!(wrong(&studio.world).await.contains(&"stripe failing critical".to_owned()));
    studio.sandbox.faults().clear();
    check(&studio).await;
    assert_eq!((runs(&studio.world).await, wrong(&studio.world).await), (2, vec![]));
    studio.close().await;
}

#[tokio::test]
async fn what_differs_while_stripe_refuses_us_is_not_called_what_a_studio_lacks_that_does_not_pay()
{
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.sandbox.faults().add(Rule::new(Provider::Stripe, Fault::Auth).times(100_000));
    studio.tamper_with_the_number(ELSEWHERE).await;
    check(&studio).await;
    let mut told = wrong(&studio.world).await;
    told.sort();
    assert_eq!(told, ["stripe failing critical", "twilio failing warning"]);
    studio.close().await;
}

#[tokio::test]
async fn mail_that_is_refused_keeps_nothing_else_from_being_mended() {
    let studio = Studio::paid().await;
    studio.provision().await;
    studio.sandbox.faults().add(Rule::new(Provider::Smtp, Fault::Auth).times(100_000));
    studio.tamper_with_the_number(ELSEWHERE).await;
    check(&studio).await;
    assert_eq!(studio.number().await["voice_url"], HERE);
    let [told, mended] = &repairs(&studio.world).await[..] else { panic!("two findings") };
    assert!(told.contains("changed the webhooks") && told.ends_with("| mended"), "{told}");
    assert!(mended.starts_with("email"), "{mended}");
    for _ in 0..3 {
        check(&studio).await;
    }
    assert_eq!(runs(&studio.world).await, 2, "mail alone starts none");
    studio.close().await;
}

#[tokio::test]
async fn an_account_that_is_gone_is_asked_about_without_harm_and_once_it_is_replaced_no_more() {
    for is_deleted in [false, true] {
        let studio = Studio::paid().await;
        studio.provision().await;
        let account =
            studio.world.texts("SELECT account_sid FROM studio.twilio_account").await.concat();
        studio.close_account(&account).await;
        studio.world.clock.advance_alive(SETTLE).await.unwrap();
        if is_deleted {
            studio.sandbox.forget_account(&account);
        }
        let ask = async || {
            studio.world.enqueue(&RepairAccountGaps { provider: Of::Twilio, after: None }).await;
            studio.world.drain_all().await;
            let spent = studio.world.count("engine.failure").await;
            let breakers = studio.world.count("engine.breaker").await;
            assert_eq!((spent, breakers), (0, 0), "deleted: {is_deleted}");
        };
        ask().await;
        check(&studio).await;
        let routes = format!("studio.route WHERE name = 'account:{account}'");
        assert_eq!(studio.world.count(&routes).await, 0, "deleted: {is_deleted}");
        ask().await;
        studio.finish().await;
    }
}

#[tokio::test]
async fn a_second_number_of_a_studios_name_is_told_for_it_is_paid_for() {
    let studio = Studio::paid().await;
    studio.provision().await;
    let kept = studio.number().await["phone_number"].as_str().unwrap().to_owned();
    studio.buy_a_number().await;
    for _ in 0..2 {
        check(&studio).await;
    }
    let [told] = &repairs(&studio.world).await[..] else { panic!("told once") };
    for part in ["1 more numbers bear the studio's name", "release those", &format!("keep {kept}")]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(runs(&studio.world).await, 1);
    assert_eq!(wrong(&studio.world).await, ["twilio working warning"]);
    studio.tamper_with_the_number(ELSEWHERE).await;
    check(&studio).await;
    assert_eq!(studio.number().await["voice_url"], HERE, "mended all the same");
    check(&studio).await;
    studio.world.execute("DELETE FROM studio.email_account").await;
    check(&studio).await;
    assert_eq!(studio.world.count("studio.email_account").await, 1, "and so is what else differs");
    studio.finish().await;
}

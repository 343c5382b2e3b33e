//! A provider is out of order for ten minutes while studios depend on it; with more of them, `make outage`.

use autopilot_sandbox::{Fault, Provider};
use autopilot_tests::outage::{self, Plan, Report};

use crate::storm::program;

async fn outage_of(provider: Provider, fault: Fault, breakers: bool) -> Report {
    let folder = std::env::temp_dir()
        .join(format!("autopilot-outage-{}-{provider}-{breakers}", std::process::id()));
    let (program, kept) = (program(), folder.clone());
    let plan = Plan { provider, fault, studios: 12, processes: 2, breakers, program, folder: kept };
    let report = outage::run(plan).await;
    drop(std::fs::remove_dir_all(folder));
    report
}

fn down() -> Fault {
    Fault::Status { status: 503, retry_after: None, body: None }
}

#[tokio::test]
async fn ten_minutes_without_stripe_spend_no_attempt() {
    let report = outage_of(Provider::Stripe, down(), true).await;
    assert_eq!(report.violations(), [""; 0], "{report:#?}");
}

#[tokio::test]
async fn ten_minutes_without_twilio_spend_no_attempt() {
    let report = outage_of(Provider::Twilio, Fault::ResetBefore, true).await;
    assert_eq!(report.violations(), [""; 0], "{report:#?}");
}

#[tokio::test]
async fn ten_minutes_without_whatsapp_spend_no_attempt() {
    let report = outage_of(Provider::Whatsapp, down(), true).await;
    assert_eq!(report.violations(), [""; 0], "{report:#?}");
}

#[tokio::test]
async fn ten_minutes_without_a_model_spend_no_attempt() {
    let report = outage_of(Provider::Openai, Fault::ResetBefore, true).await;
    assert_eq!(report.violations(), [""; 0], "{report:#?}");
}

#[tokio::test]
async fn without_breakers_the_checker_sees_what_an_outage_does() {
    let report = outage_of(Provider::Openai, down(), false).await;
    let seen = report.violations().join("\n");
    for part in [
        "runs were set aside or attempted twice",
        "of 12 are done",
        "breaker opened 0 times",
        "`breakers list` does not say \"openai\"",
        "the health of all studios does not say \"is out of order and not called\"",
    ] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
}

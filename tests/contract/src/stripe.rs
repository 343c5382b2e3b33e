//! Stripe's operations.

use autopilot_sandbox::{Checkout, Credentials, Provider, Sandbox};
use autopilot_workflows::integrations::stripe::{Config, Stripe};

use crate::course::{Course, Problem};
use crate::rig::Rig;

/// Exercises every operation of the adapter; what did not go as it should.
pub(crate) async fn exercise(sandbox: &Sandbox, rig: &Rig) -> Result<Vec<String>, Problem> {
    let mut course = Course::new(sandbox, Provider::Stripe);
    let key = Credentials::default().stripe_key.into();
    let stripe = Stripe::new(Config { base_url: rig.url.clone(), ..Config::new(key) })?;
    let customer = "cus_contract";
    let checkout = Checkout { customer: Some(customer.to_owned()), ..Checkout::new("ws_contract") };
    sandbox.checkout(&checkout).await?;
    course.both("ping", async || stripe.ping().await).await;
    sandbox.put_charge("ch_contract", customer);
    course.both("payer_of", async || stripe.payer_of("ch_contract").await).await;
    let types = ["checkout.session.completed", "invoice.paid"];
    let since = chrono::DateTime::UNIX_EPOCH;
    course.both("events", async || stripe.events(&types, since, None, None).await).await;
    course.both("subscriptions", async || stripe.subscriptions(customer).await).await;
    Ok(course.problems)
}

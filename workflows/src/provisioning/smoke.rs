//! Step 7: each provider is really asked whether it works for this studio.

use autopilot_engine::{At, Class, Failure, Result, Stop};
use serde::{Deserialize, Serialize};

use super::seen;
use super::turn::if_asked;
use super::whatsapp;
use crate::app::App;
use crate::integrations::service::{SMTP, STRIPE, TWILIO, WHATSAPP};
use crate::integrations::twilio::NumberSid;
use crate::state::health::{self, Component, Seen, Severity};
use crate::state::phone_numbers;
use crate::state::smoke_tests::{self, SmokeTest};
use crate::state::twilio_accounts;
use crate::tenancy::Tenant;

/// What the steps before have set up; only that is tested.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) number: Option<NumberSid>,
    pub(super) whatsapp: bool,
    pub(super) email: bool,
}

/// What was asked and answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Passed {
    pub(super) providers: Vec<String>,
}

pub(super) async fn run(at: At<'_, App>, present: &Present) -> Result<Passed> {
    let mut results = vec![(Component::Stripe, asked(&at, STRIPE, stripe(&at)).await?)];
    if let Some(number) = &present.number {
        results.push((Component::Twilio, asked(&at, TWILIO, twilio(&at, number)).await?));
    }
    if present.whatsapp
        && let Some(line) = at.app.whatsapp.as_ref()
    {
        let connected = asked(&at, WHATSAPP, whatsapp::connected(line)).await?;
        results.push((Component::Whatsapp, connected.map(|line| line.display_phone_number)));
    }
    if present.email
        && let Some(email) = at.app.email.as_ref()
    {
        let ping = async { email.client.ping().await.map_err(Stop::from) };
        let verified = asked(&at, SMTP, ping).await?;
        results.push((Component::Email, verified.map(|()| "the handshake succeeded".to_owned())));
    }
    keep(&at, &results).await?;
    let mut providers = Vec::with_capacity(results.len());
    for (provider, result) in results {
        result?;
        providers.push(provider.name().to_owned());
    }
    Ok(Passed { providers })
}

/// What a provider answered; who is not asked, because we have no turn or it is out of order, is asked later.
async fn asked<T>(
    at: &At<'_, App>,
    service: &'static str,
    call: impl Future<Output = Result<T>> + Send,
) -> Result<Result<T>> {
    match if_asked(at.call(service, Box::pin(call)).await)? {
        // Our own database says nothing of a provider.
        Err(Stop::Failed(failure)) if failure.is_of_database() => Err(Stop::Failed(failure)),
        answered => Ok(answered),
    }
}

async fn stripe(at: &At<'_, App>) -> Result<String> {
    match at.app.stripe.as_ref() {
        Some(stripe) => {
            stripe.ping().await?;
            Ok("the key is accepted".to_owned())
        }
        None => Err(Stop::skip("Stripe is not configured: set STRIPE_SECRET_KEY")),
    }
}

/// The number is still ours, and still reports to where it was told to.
async fn twilio(at: &At<'_, App>, sid: &NumberSid) -> Result<String> {
    let (Some(twilio), Some(vault)) = (at.app.twilio.as_ref(), at.vault()) else {
        return Err(Stop::skip("Twilio or ENCRYPTION_KEY is not configured any more"));
    };
    let mut tenant = Tenant::begin(at.pool, at.workspace).await?;
    let account = twilio_accounts::get(&mut tenant, vault).await?;
    let kept = phone_numbers::get(&mut tenant, sid.as_str()).await?;
    tenant.finish().await?;
    let account = account.and_then(|account| account.account_sid.parse().ok());
    let (Some(account), Some(kept)) = (account, kept) else {
        return Err(broken(format!("number {sid} is not in our books any more")));
    };
    let number = twilio.number(&account, sid).await?;
    if number.voice_url == kept.voice_url && number.sms_url == kept.sms_url {
        Ok(format!("{} is ours and reports to us", number.phone_number))
    } else {
        Err(broken(format!("somebody has changed the webhooks of {}", number.phone_number)))
    }
}

fn broken(message: String) -> Stop {
    Stop::Failed(
        Failure::new(Class::ProvisioningError, "smoke_test_failed", message)
            .action("`autopilot provision` the workspace: a new run mends it"),
    )
}

async fn keep(at: &At<'_, App>, results: &[(Component, Result<String>)]) -> Result {
    let mut tx = at.begin().await?;
    let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
    for (provider, result) in results {
        let (ok, detail) = match result {
            Ok(detail) => (true, detail.clone()),
            Err(stop) => (false, said(stop)),
        };
        let row = SmokeTest { provider: provider.name().to_owned(), ok, detail };
        smoke_tests::upsert(&mut tenant, &row).await?;
    }
    tenant.finish().await?;
    let seen: Vec<Seen> =
        results.iter().map(|(provider, result)| found(*provider, result)).collect();
    let _changed = health::put(&mut tx, at.workspace, &seen).await?;
    tx.commit().await?;
    Ok(())
}

/// What everybody is told of it who looks at the studio.
fn found(provider: Component, result: &Result<String>) -> Seen {
    match result {
        Ok(detail) => Seen::working(provider, detail.clone()),
        Err(Stop::Failed(failure)) => seen::refused(provider, failure),
        Err(stop) => {
            seen::person(provider, Severity::Warning, said(stop), "autopilot doctor".to_owned())
        }
    }
}

/// Why a test was not passed.
fn said(stop: &Stop) -> String {
    match stop {
        Stop::Failed(failure) => failure.to_string(),
        Stop::Skipped { reason } => reason.clone(),
        Stop::Waiting(wait) => wait.reason.clone(),
        Stop::Parked | Stop::Lost => "not finished".to_owned(),
    }
}

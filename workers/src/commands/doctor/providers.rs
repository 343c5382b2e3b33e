//! The providers, each really asked, all at once.

use std::time::Duration;

use autopilot_engine::Classify;
use autopilot_engine::doctor::Finding;

use crate::app::providers;
use crate::config::Config;
use crate::fail::Fail;

/// How long a provider may take to answer a person who waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks every provider that is configured whether it answers and accepts our credentials.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let stripe = async {
        let client = match made("stripe", providers::stripe(&config.stripe), "STRIPE_SECRET_KEY") {
            Ok(client) => client,
            Err(finding) => return finding,
        };
        asked("stripe", client.ping()).await
    };
    let twilio = async {
        let variables = "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN";
        let client = match made("twilio", providers::twilio(&config.twilio), variables) {
            Ok(client) => client,
            Err(finding) => return finding,
        };
        asked("twilio", client.ping()).await
    };
    let whatsapp = async {
        let variables =
            "WHATSAPP_API_TOKEN, WHATSAPP_PHONE_NUMBER_ID and WHATSAPP_BUSINESS_ACCOUNT_ID";
        let line = match made("whatsapp", providers::whatsapp(&config.whatsapp), variables) {
            Ok(line) => line,
            Err(finding) => return finding,
        };
        asked("whatsapp", line.client.ping()).await
    };
    let mail = async {
        let server = match made("e-mail", Ok(providers::email(&config.smtp)), "SMTP_HOST") {
            Ok(server) => server,
            Err(finding) => return finding,
        };
        asked("e-mail", server.client.ping()).await
    };
    let (stripe, twilio, whatsapp, mail) = tokio::join!(stripe, twilio, whatsapp, mail);
    vec![stripe, twilio, whatsapp, mail]
}

/// The client, or the finding that there is none.
fn made<C>(
    name: &'static str,
    client: Result<Option<C>, Fail>,
    variables: &str,
) -> Result<C, Finding> {
    match client {
        Ok(Some(client)) => Ok(client),
        Ok(None) => {
            Err(Finding::warning(name, "not configured", format!("set {variables} to use it")))
        }
        Err(fail) => Err(Finding::problem(name, fail.to_string(), "correct the settings")),
    }
}

async fn asked<E: Classify>(
    name: &'static str,
    ping: impl Future<Output = Result<(), E>>,
) -> Finding {
    match tokio::time::timeout(PATIENCE, ping).await {
        Ok(Ok(())) => Finding::ok(name, "answers, and accepts our credentials"),
        Ok(Err(error)) => {
            let action = error.action();
            let detail = format!("{} ({}): {error}", error.class(), error.code());
            Finding::problem(
                name,
                detail,
                action.unwrap_or_else(|| "see its status page".to_owned()),
            )
        }
        Err(_elapsed) => Finding::problem(
            name,
            format!("did not answer within {} s", PATIENCE.as_secs()),
            "see its status page, and whether this machine reaches it",
        ),
    }
}

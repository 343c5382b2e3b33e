//! Twilio's operations, of both its APIs.

use autopilot_sandbox::{BundleStatus, Credentials, Provider, Sandbox};
use autopilot_workflows::integrations::twilio::{
    AccountSid, BundleSid, Config, Purchase, Twilio, Webhooks,
};

use crate::course::{Course, Problem};
use crate::rig::Rig;

const NAME: &str = "contract";

/// Exercises every operation of the adapter; what did not go as it should.
pub(crate) async fn exercise(
    sandbox: &Sandbox,
    core: &Rig,
    numbers: &Rig,
) -> Result<Vec<String>, Problem> {
    let mut course = Course::new(sandbox, Provider::Twilio);
    let Credentials { twilio_account_sid, twilio_auth_token, .. } = Credentials::default();
    let main: AccountSid = twilio_account_sid.parse()?;
    let twilio = Twilio::new(Config {
        base_url: core.url.clone(),
        numbers_base_url: numbers.url.clone(),
        ..Config::new(main, twilio_auth_token.into())
    })?;
    course.both("ping", async || twilio.ping().await).await;
    course.both("balance", async || twilio.balance().await).await;
    let created = course.both("create_subaccount", async || twilio.create_subaccount(NAME).await);
    let Some(account) = created.await.map(|account| account.sid) else {
        return Ok(course.problems);
    };
    course.both("find_subaccount", async || twilio.find_subaccount(NAME).await).await;
    course.both("subaccount", async || twilio.subaccount(&account).await).await;
    keys(&mut course, &twilio, &account).await;
    phone(&mut course, &twilio, &account).await?;
    sandbox.come_in(&format!("SM{}", "a".repeat(32)), account.as_str(), "+491701234567", "Hallo");
    let since = chrono::DateTime::UNIX_EPOCH;
    course.both("messages", async || twilio.messages(&account, since, None).await).await;
    let bundle: BundleSid = sandbox.put_bundle(BundleStatus::InReview).parse()?;
    course.both("bundle", async || twilio.bundle(&bundle).await).await;
    Ok(course.problems)
}

async fn keys(course: &mut Course<'_>, twilio: &Twilio, account: &AccountSid) {
    let key = course.both("create_key", async || twilio.create_key(account, NAME).await).await;
    course.both("list_keys", async || twilio.list_keys(account, NAME).await).await;
    if let Some(key) = key {
        course.both("delete_key", async || twilio.delete_key(account, &key.sid).await).await;
    }
}

async fn phone(
    course: &mut Course<'_>,
    twilio: &Twilio,
    account: &AccountSid,
) -> Result<(), Problem> {
    let country = "AT".parse()?;
    let search = async || twilio.search_numbers(account, country, 3).await;
    let found = course.both("search_numbers", search).await.unwrap_or_default();
    let Some(candidate) = found.into_iter().next() else {
        course.problems.push("search_numbers: no number".to_owned());
        return Ok(());
    };
    let webhooks = |path: &str| Webhooks {
        voice_url: format!("https://studio.example/{path}/voice"),
        sms_url: format!("https://studio.example/{path}/sms"),
        status_callback: format!("https://studio.example/{path}/status"),
    };
    let order = Purchase {
        phone_number: candidate.phone_number,
        friendly_name: NAME.to_owned(),
        webhooks: webhooks("first"),
        address_sid: Some(format!("AD{}", "a".repeat(32)).parse()?),
        bundle_sid: None,
    };
    let bought = course.both("buy_number", async || twilio.buy_number(account, &order).await).await;
    course.both("find_number", async || twilio.find_number(account, NAME).await).await;
    if let Some(sid) = bought.map(|number| number.sid) {
        course.both("number", async || twilio.number(account, &sid).await).await;
        let update =
            async || twilio.update_number_webhooks(account, &sid, &webhooks("second")).await;
        course.both("update_number_webhooks", update).await;
    }
    Ok(())
}

//! Step 3: a telephone number, bought once, reporting to us.

use std::str::FromStr;

use autopilot_engine::{At, Class, Failure, Result, Stop, Wait};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::friendly_name;
use super::purchase;
use super::subaccount::Account;
use crate::app::App;
use crate::integrations::phone::{Country, E164};
use crate::integrations::twilio::{
    AddressSid, BundleSid, Number, NumberSid, Purchase, Twilio, TwilioError, Webhooks,
};
use crate::state::purchases::Goods;
use crate::state::{self, phone_numbers, profiles};
use crate::tenancy::Tenant;

/// The studio's number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bought {
    pub(super) sid: NumberSid,
    pub(super) number: E164,
    /// How many more numbers bear the studio's name; anything but 0 is for a person to look at.
    pub(super) duplicates: usize,
}

pub(super) async fn ensure(at: At<'_, App>, account: &Account) -> Result<Bought> {
    let Some(twilio) = at.app.twilio.as_ref() else {
        return Err(Stop::skip(
            "Twilio is not configured: set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
        ));
    };
    let webhooks = webhooks(&at);
    let name = friendly_name(at.workspace);
    let looked_at = state::now_of(at.pool).await?;
    let (number, duplicates) = match twilio.find_number(&account.sid, &name).await? {
        Some(found) if found.oldest.reports_to(&webhooks) => (found.oldest, found.duplicates),
        Some(found) => {
            at.before_call().await?;
            let mended =
                twilio.update_number_webhooks(&account.sid, &found.oldest.sid, &webhooks).await?;
            (mended, found.duplicates)
        }
        None => (buy(&at, twilio, account, (name, webhooks), looked_at).await?, 0),
    };
    keep(&at, &number).await?;
    Ok(Bought { sid: number.sid, number: number.phone_number, duplicates })
}

/// Where a number is to report to.
pub(crate) fn webhooks(at: &At<'_, App>) -> Webhooks {
    let base = &at.app.provisioning.public_base_url;
    Webhooks {
        voice_url: format!("{base}/webhooks/twilio/voice"),
        sms_url: format!("{base}/webhooks/twilio/sms"),
        status_callback: format!("{base}/webhooks/twilio/status"),
    }
}

/// Searches and buys. A candidate that somebody else took meanwhile is no error: the next one is tried.
async fn buy(
    at: &At<'_, App>,
    twilio: &Twilio,
    account: &Account,
    (friendly_name, webhooks): (String, Webhooks),
    looked_at: DateTime<Utc>,
) -> Result<Number> {
    let (country, address_sid, bundle_sid) = permits(at, twilio).await?;
    let limit = at.app.provisioning.candidates;
    let candidates = twilio.search_numbers(&account.sid, country, limit).await?;
    let tried = candidates.len();
    for candidate in candidates {
        let order = Purchase {
            phone_number: candidate.phone_number,
            friendly_name: friendly_name.clone(),
            webhooks: webhooks.clone(),
            address_sid: address_sid.clone(),
            bundle_sid: bundle_sid.clone(),
        };
        let call = twilio.buy_number(&account.sid, &order);
        match purchase::buy(at, Goods::PhoneNumber, looked_at, call).await? {
            Ok(number) => return Ok(number),
            Err(TwilioError::NumberTaken { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Stop::Failed(
        Failure::new(
            Class::ProvisioningError,
            "twilio_sold_out",
            format!(
                "no number could be bought in {country}: {tried} were offered and all were taken"
            ),
        )
        .action("try later with `autopilot runs retry`, or ask Twilio for stock in that country"),
    ))
}

/// What the studio's country demands before it gives a number.
async fn permits(
    at: &At<'_, App>,
    twilio: &Twilio,
) -> Result<(Country, Option<AddressSid>, Option<BundleSid>)> {
    let mut tenant = Tenant::begin(at.pool, at.workspace).await?;
    let profile = profiles::get(&mut tenant).await?;
    tenant.finish().await?;
    let settings = &at.app.provisioning;
    let country = profile
        .as_ref()
        .and_then(|profile| Country::from_str(&profile.country).ok())
        .unwrap_or(settings.default_country);
    let address = profile
        .as_ref()
        .and_then(|profile| profile.twilio_address_sid.as_deref())
        .and_then(|sid| AddressSid::from_str(sid).ok());
    let bundle = profile
        .as_ref()
        .and_then(|profile| profile.twilio_bundle_sid.as_deref())
        .and_then(|sid| BundleSid::from_str(sid).ok());
    if !settings.regulated_countries.contains(&country) {
        return Ok((country, address, bundle));
    }
    let Some(bundle) = bundle else {
        return Err(wait(
            at,
            format!("twilio.bundle/{}", at.workspace),
            format!(
                "a number in {country} needs a regulatory bundle; the studio's documents have not been submitted to Twilio yet"
            ),
        ));
    };
    at.before_call().await?;
    let status = twilio.bundle(&bundle).await?;
    if status.is_approved() {
        Ok((country, address, Some(bundle)))
    } else if status.is_under_review() {
        Err(wait(
            at,
            format!("twilio.bundle/{bundle}"),
            format!("Twilio examines the regulatory bundle {bundle}"),
        ))
    } else {
        Err(Stop::Failed(
            Failure::new(
                Class::ProvisioningError,
                "twilio_bundle_not_approved",
                format!("the regulatory bundle {bundle} was rejected or never submitted"),
            )
            .action("correct the documents in the Twilio console and submit them, then `autopilot runs retry`"),
        ))
    }
}

fn wait(at: &At<'_, App>, event: String, reason: String) -> Stop {
    Stop::Waiting(Wait { event, look_again: at.app.provisioning.look_again, reason })
}

async fn keep(at: &At<'_, App>, number: &Number) -> Result {
    let row = phone_numbers::PhoneNumber {
        sid: number.sid.as_str().to_owned(),
        number: number.phone_number.as_str().to_owned(),
        voice_url: number.voice_url.clone(),
        sms_url: number.sms_url.clone(),
    };
    let mut tx = at.begin().await?;
    let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
    // Another one is lost with the account that was closed, and Twilio may give it to somebody else: whoever reads our books must not
    // take it for the studio's.
    let lost = phone_numbers::forget_others(&mut tenant, &row.sid).await?;
    phone_numbers::upsert(&mut tenant, &row).await?;
    tenant.finish().await?;
    tx.commit().await?;
    if lost > 0 {
        tracing::warn!(workspace = %at.workspace, number = row.number, "the studio has another number: the one before is lost");
    }
    Ok(())
}

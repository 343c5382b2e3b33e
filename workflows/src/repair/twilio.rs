//! Whether the studio's account and number are still its own, and report to us.

use std::str::FromStr;

use autopilot_engine::{At, Result, Stop};

use super::found::{Found, Mend, judged};
use crate::app::App;
use crate::integrations::twilio::{
    AccountSid, AccountStatus, Found as Named, Number, NumberSid, Twilio,
};
use crate::provisioning::{friendly_name, no_keyring, webhooks};
use crate::state::health::{Component, Seen, Severity, Standing, Wrong};
use crate::state::{phone_numbers, twilio_accounts};
use crate::tenancy::Tenant;

const PART: Component = Component::Twilio;

pub(super) async fn ask(at: At<'_, App>) -> Result<Found> {
    let Some(twilio) = at.app.twilio.as_ref() else {
        at.asked_nobody();
        return Ok(Found::not_set_up(PART));
    };
    judged(PART, compare(&at, twilio).await)
}

/// What our books say: the account, and its number.
async fn kept(at: &At<'_, App>) -> Result<(Option<AccountSid>, Option<NumberSid>)> {
    let vault = at.vault().ok_or_else(|| Stop::Failed(no_keyring()))?;
    let mut tenant = Tenant::begin(at.pool, at.workspace).await?;
    let account = twilio_accounts::get(&mut tenant, vault).await?;
    let numbers = phone_numbers::list(&mut tenant).await?;
    tenant.finish().await?;
    let account = account.and_then(|account| AccountSid::from_str(&account.account_sid).ok());
    let number = numbers.first().and_then(|number| NumberSid::from_str(&number.sid).ok());
    Ok((account, number))
}

async fn compare(at: &At<'_, App>, twilio: &Twilio) -> Result<Found> {
    let (account, number) = kept(at).await?;
    let Some(account) = account else {
        // Nothing of the studio's can be asked about: whether we may ask at all can.
        twilio.ping().await?;
        return Ok(Found::differs(PART, "the studio has no Twilio account yet"));
    };
    let status = match twilio.subaccount(&account).await {
        Ok(account) => Some(account.status),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    match status {
        Some(AccountStatus::Active) => {}
        Some(AccountStatus::Suspended) => {
            return Ok(Found::person_first(
                PART,
                Severity::Critical,
                format!("the studio's Twilio account {account} is suspended"),
                "reactivate it in the Twilio console",
            ));
        }
        Some(AccountStatus::Closed) | None => {
            let how = if status.is_some() { "was closed" } else { "was deleted" };
            let detail =
                format!("the studio's Twilio account {account} {how}, and its number with it");
            return Ok(Found::differs(PART, detail));
        }
    }
    let Some(number) = number else {
        return Ok(Found::differs(PART, "the studio has no number yet"));
    };
    number_of(at, twilio, &account, &number).await
}

/// The number that our books have, held against what Twilio has.
async fn number_of(
    at: &At<'_, App>,
    twilio: &Twilio,
    account: &AccountSid,
    number: &NumberSid,
) -> Result<Found> {
    let name = friendly_name(at.workspace);
    let named = twilio.find_number(account, &name).await?;
    let ours = named.as_ref().map(|named| &named.oldest).filter(|oldest| oldest.sid == *number);
    let found = match ours {
        Some(ours) => ours.clone(),
        None => match twilio.number(account, number).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => {
                let detail =
                    format!("the studio's number {number} is not in its Twilio account any more");
                return Ok(Found::differs(PART, detail));
            }
            Err(error) => return Err(error.into()),
        },
    };
    // By its name a provisioning finds it again. Without it, it would buy another.
    if found.friendly_name.as_deref() != Some(&name) {
        return Ok(Found::person_first(
            PART,
            Severity::Warning,
            format!(
                "somebody has renamed {}, so no provisioning would find it again",
                found.phone_number
            ),
            format!("give it the friendly name {name} again in the Twilio console"),
        ));
    }
    if !found.reports_to(&webhooks(at)) {
        let detail = format!("somebody has changed the webhooks of {}", found.phone_number);
        return Ok(Found::differs(PART, detail));
    }
    let duplicates = named.filter(|named| named.duplicates > 0);
    Ok(duplicates.map_or_else(
        || Found::well(PART, format!("{} is ours and reports to us", found.phone_number)),
        |named| paid_twice(account, &named),
    ))
}

/// More than one number bears the studio's name. A provisioning takes the oldest, and nothing is the worse for the others but the bill.
fn paid_twice(account: &AccountSid, named: &Named<Number>) -> Found {
    let (more, kept) = (named.duplicates, &named.oldest.phone_number);
    let wrong = Wrong {
        severity: Severity::Warning,
        next:
            "the studio's number goes on as ever; the others are paid for until they are released"
                .to_owned(),
        action: format!(
            "release those that nobody uses in the Twilio console, account {account}; keep {kept}"
        ),
    };
    let detail =
        format!("{more} more numbers bear the studio's name beside {kept}, and each is paid for");
    Found { seen: Seen::wrong(PART, Standing::Working, detail, wrong), mend: Mend::Person }
}

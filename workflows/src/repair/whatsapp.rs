//! Whether the line is connected, its events reach us, and its token lasts.

use autopilot_engine::{At, Result};
use chrono::{DateTime, TimeDelta, Utc};

use super::found::{Found, Mend, judged};
use crate::app::{App, WhatsAppLine};
use crate::provisioning::connected;
use crate::state::health::{Component, Seen, Severity, Standing, Wrong};
use crate::state::{self, whatsapp_channels};
use crate::tenancy::Tenant;

const PART: Component = Component::Whatsapp;

/// So long before it expires a token is a warning, and so long before critical: one takes a day to be given out where people approve it.
const WARNING: TimeDelta = TimeDelta::days(14);
const CRITICAL: TimeDelta = TimeDelta::days(3);

pub(super) async fn ask(at: At<'_, App>) -> Result<Found> {
    let Some(line) = at.app.whatsapp.as_ref() else {
        at.asked_nobody();
        return Ok(Found::not_set_up(PART));
    };
    judged(PART, compare(&at, line).await)
}

async fn compare(at: &At<'_, App>, line: &WhatsAppLine) -> Result<Found> {
    let mut tenant = Tenant::begin(at.pool, at.workspace).await?;
    let kept = whatsapp_channels::get(&mut tenant).await?;
    tenant.finish().await?;
    let now = state::now_of(at.pool).await?;
    let seen = connected(line).await?;
    if kept.is_none() {
        return Ok(Found::differs(PART, "the studio's WhatsApp line is not set up yet"));
    }
    if line.client.subscribed_apps(&line.business_account).await?.is_empty() {
        let detail =
            "what members write does not reach us: no app is subscribed to the WhatsApp account";
        return Ok(Found::differs(PART, detail));
    }
    let expiry = line.client.token_expiry().await?;
    let number = seen.display_phone_number;
    Ok(expiry
        .and_then(|expiry| expires(expiry, now))
        .unwrap_or_else(|| Found::well(PART, format!("{number} is connected"))))
}

/// What is said of a token that ends; nothing as long as that is far off.
fn expires(expiry: DateTime<Utc>, now: DateTime<Utc>) -> Option<Found> {
    let left = expiry - now;
    let severity = match left {
        left if left < CRITICAL => Severity::Critical,
        left if left < WARNING => Severity::Warning,
        _ => return None,
    };
    let at = expiry.format("%F %T");
    let wrong = Wrong {
        severity,
        next: format!("from {at} UTC on no message is sent and none is received"),
        action: "make a new token for the system user in Meta's business settings, set WHATSAPP_API_TOKEN to it and restart the workers".to_owned(),
    };
    let detail = format!("the access token expires at {at} UTC");
    let seen = Seen::wrong(PART, Standing::Working, detail, wrong);
    // It still works: a provisioning would not fail.
    Some(Found { seen, mend: Mend::Nobody })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_warning_two_weeks_before_its_end_and_critical_three_days_before() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default();
        for (left, severity) in [
            (TimeDelta::days(14), None),
            (TimeDelta::days(14) - TimeDelta::seconds(1), Some(Severity::Warning)),
            (TimeDelta::days(3), Some(Severity::Warning)),
            (TimeDelta::days(3) - TimeDelta::seconds(1), Some(Severity::Critical)),
            (TimeDelta::days(-1), Some(Severity::Critical)),
        ] {
            let told = expires(now + left, now);
            let told = told.and_then(|found| found.seen.wrong).map(|wrong| wrong.severity);
            assert_eq!(told, severity, "{left}");
        }
    }
}

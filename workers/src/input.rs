//! What people and programs write, parsed once, with the same sentence for each mistake wherever it was written.

use std::str::FromStr;

use autopilot_engine::ops::breakers::Guarded;
use autopilot_engine::ops::pauses::Scope;
use autopilot_engine::{JobId, WorkspaceId};
use autopilot_workflows::integrations::phone::Country;
use autopilot_workflows::integrations::service;
use autopilot_workflows::integrations::twilio::{AddressSid, BundleSid};
use autopilot_workflows::outbound::{EventType, UnknownEventType};
use chrono::{DateTime, TimeDelta, Utc};

use crate::config::parse_duration;

/// The longest text that a person gives as a name.
const LONGEST_NAME: usize = 200;

/// The longest address that mail knows (RFC 5321).
const LONGEST_EMAIL: usize = 254;

/// A workspace's id.
///
/// # Errors
/// What is wrong.
pub(crate) fn workspace(text: &str) -> Result<WorkspaceId, String> {
    match WorkspaceId::from_str(text) {
        Ok(WorkspaceId::NONE) => Err("is the nil UUID, which stands for no workspace".to_owned()),
        Ok(workspace) => Ok(workspace),
        Err(_not_a_uuid) => Err("is not a UUID".to_owned()),
    }
}

/// A job's or a run's id.
///
/// # Errors
/// What is wrong.
pub(crate) fn job(text: &str) -> Result<JobId, String> {
    text.parse().map_err(|_not_a_uuid| "is not a UUID".to_owned())
}

/// A point in time: so long ago (`2h`), or as RFC 3339 writes it.
///
/// # Errors
/// What is wrong.
pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Ok(moment.to_utc());
    }
    let ago = parse_duration(text).ok().and_then(|ago| TimeDelta::from_std(ago).ok());
    ago.and_then(|ago| Utc::now().checked_sub_signed(ago)).ok_or_else(|| {
        "is neither a time (2026-01-31T08:00:00Z) nor how long ago (30m, 2h, 7d)".to_owned()
    })
}

/// A type of event that studios are told of.
///
/// # Errors
/// Which there are.
pub(crate) fn event_type(text: &str) -> Result<EventType, String> {
    text.parse().map_err(|unknown: UnknownEventType| unknown.to_string())
}

/// What can be paused: `queue:NAME`, `kind:NAME` or `workspace:UUID`.
///
/// # Errors
/// What is wrong.
pub(crate) fn scope(text: &str) -> Result<Scope, String> {
    match text.split_once(':') {
        Some(("queue", name)) => Ok(Scope::Queue(self::name(name)?)),
        Some(("kind", name)) => Ok(Scope::Kind(self::name(name)?)),
        Some(("workspace", id)) => Ok(Scope::Workspace(workspace(id)?)),
        Some(_) | None => Err("is neither queue:NAME nor kind:NAME nor workspace:UUID".to_owned()),
    }
}

/// A breaker: `PROVIDER`, or `PROVIDER/WORKSPACE`.
///
/// # Errors
/// What is wrong, or which providers there are.
pub(crate) fn breaker(text: &str) -> Result<Guarded, String> {
    let guarded = Guarded::parse(text).map_err(|error| error.to_string())?;
    if service::ALL.contains(&guarded.service.as_str()) {
        Ok(guarded)
    } else {
        Err(format!(
            "there is no provider {:?}: it is {}",
            guarded.service,
            service::ALL.join(", ")
        ))
    }
}

/// A whole number from 1 to `most`.
///
/// # Errors
/// What is wrong.
pub(crate) fn count(text: &str, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("is not a whole number from 1 to {most}"))
}

/// A piece of JSON.
///
/// # Errors
/// What is wrong.
pub(crate) fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))
}

/// A piece of JSON, to be handed on as it was written.
///
/// # Errors
/// What is wrong.
pub(crate) fn json_text(text: &str) -> Result<String, String> {
    json(text).map(|_value| text.to_owned())
}

/// A name, without blanks around it.
///
/// # Errors
/// What is wrong.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        Err("is empty".to_owned())
    } else if name.chars().count() > LONGEST_NAME {
        Err(format!("is longer than {LONGEST_NAME} characters"))
    } else if name.chars().any(char::is_control) {
        Err("has control characters".to_owned())
    } else {
        Ok(name.to_owned())
    }
}

/// A country.
///
/// # Errors
/// What is wrong.
pub(crate) fn country(text: &str) -> Result<Country, String> {
    text.parse().map_err(|error| format!("is {error}"))
}

/// A language, roughly as BCP 47 has it.
///
/// # Errors
/// What is wrong.
pub(crate) fn locale(text: &str) -> Result<String, String> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let is_language =
        (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase());
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    if is_language && text.len() <= 35 && parts.all(is_part) {
        Ok(text.to_owned())
    } else {
        Err("is not a language tag; write it as de-DE".to_owned())
    }
}

/// A mail address; that it exists, only mail tells.
///
/// # Errors
/// What is wrong.
pub(crate) fn email(text: &str) -> Result<String, String> {
    let is_address = text.len() <= LONGEST_EMAIL
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
        && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_address { Ok(text.to_owned()) } else { Err("is not a mail address".to_owned()) }
}

/// An address that was registered with Twilio.
///
/// # Errors
/// What is wrong.
pub(crate) fn stripe_account(text: &str) -> Result<String, String> {
    let is_one = text.strip_prefix("acct_").is_some_and(|rest| {
        (1..=250).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    if is_one {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no connected account: acct_ and letters or digits are expected"))
    }
}

pub(crate) fn twilio_address(text: &str) -> Result<AddressSid, String> {
    text.parse().map_err(|error| format!("is {error}"))
}

/// A regulatory bundle of Twilio.
///
/// # Errors
/// What is wrong.
pub(crate) fn twilio_bundle(text: &str) -> Result<BundleSid, String> {
    text.parse().map_err(|error| format!("is {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_right_is_taken_and_what_is_wrong_refused() {
        assert!(workspace("0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b").is_ok());
        for bad in ["", "7", "00000000-0000-0000-0000-000000000000"] {
            assert!(workspace(bad).is_err(), "{bad}");
        }
        assert_eq!(name(" Studio Süd "), Ok("Studio Süd".to_owned()));
        for bad in ["", " ", "a\0b", &"x".repeat(201)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        for good in ["de", "de-DE", "zh-Hant-TW"] {
            assert!(locale(good).is_ok(), "{good}");
        }
        for bad in ["", "d", "DE", "de_DE", "de-", "de-DE; drop"] {
            assert!(locale(bad).is_err(), "{bad}");
        }
        assert!(email("a@b.example").is_ok());
        for bad in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: c"] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert!(country("DE").is_ok() && country("de").is_err());
        assert!(job("x").is_err());
        assert_eq!(scope("queue:webhooks"), Ok(Scope::Queue("webhooks".to_owned())));
        for bad in ["", "webhooks", "queue:", "kind: ", "workspace:7", "planet:mars"] {
            assert!(scope(bad).is_err(), "{bad:?}");
        }
        assert!(json(r#"{"a": 1}"#).is_ok() && json("{a: 1}").is_err());
    }
}

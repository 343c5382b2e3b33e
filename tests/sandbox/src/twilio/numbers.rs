//! Phone numbers: a search that promises nothing, and a purchase that costs money.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::{TwilioState, accounts, bundles, error, not_found, page};
use crate::exchange::{Answer, Exchange};
use crate::state::fresh_id;

/// Candidates a search gives at most, and by default.
const SEARCH_LIMIT: u32 = 30;

/// A country's numbers: a prefix and a running number behind it.
struct Plan {
    country: &'static str,
    prefix: &'static str,
    digits: usize,
    locality: &'static str,
    /// Germany wants a bundle and a local address.
    regulated: bool,
}

/// Prefixes of local numbers, long enough that no number belongs to two of them.
const PLANS: [Plan; 5] = [
    Plan { country: "DE", prefix: "+4930555", digits: 5, locality: "Berlin", regulated: true },
    Plan { country: "US", prefix: "+1415", digits: 7, locality: "San Francisco", regulated: false },
    Plan { country: "GB", prefix: "+4420555", digits: 5, locality: "London", regulated: false },
    Plan { country: "AT", prefix: "+431555", digits: 5, locality: "Wien", regulated: false },
    Plan { country: "CH", prefix: "+4144555", digits: 4, locality: "Zürich", regulated: false },
];

impl Plan {
    fn size(&self) -> u32 {
        10_u32.pow(u32::try_from(self.digits).unwrap_or(0))
    }

    fn number(&self, index: u32) -> String {
        format!("{}{:0width$}", self.prefix, index % self.size(), width = self.digits)
    }

    fn covers(&self, number: &str) -> bool {
        number.strip_prefix(self.prefix).is_some_and(|rest| rest.len() == self.digits)
    }
}

/// A bought number. The settings keep the names that the form and the answer share.
#[derive(Debug)]
pub(crate) struct Number {
    pub(super) account: String,
    sid: String,
    phone_number: String,
    friendly_name: String,
    settings: Map<String, Value>,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
}

/// The form's name of a setting, its name in the answer, and its value before anybody sets it.
const SETTINGS: [(&str, &str, Option<&str>); 12] = [
    ("VoiceUrl", "voice_url", None),
    ("VoiceMethod", "voice_method", Some("POST")),
    ("VoiceFallbackUrl", "voice_fallback_url", None),
    ("VoiceReceiveMode", "voice_receive_mode", Some("voice")),
    ("SmsUrl", "sms_url", None),
    ("SmsMethod", "sms_method", Some("POST")),
    ("SmsFallbackUrl", "sms_fallback_url", None),
    ("StatusCallback", "status_callback", None),
    ("StatusCallbackMethod", "status_callback_method", Some("POST")),
    ("AddressSid", "address_sid", None),
    ("BundleSid", "bundle_sid", None),
    ("IdentitySid", "identity_sid", None),
];

impl Number {
    fn configure(&mut self, request: &Exchange) {
        for (form, name, _) in SETTINGS {
            if let Some(value) = request.form(form) {
                self.settings.insert(name.to_owned(), value.into());
            }
        }
        if let Some(name) = request.form("FriendlyName") {
            self.friendly_name = name.to_owned();
        }
        self.updated = Utc::now();
    }

    fn render(&self) -> Value {
        let uri =
            format!("/2010-04-01/Accounts/{}/IncomingPhoneNumbers/{}.json", self.account, self.sid);
        let mut number = json!({
            "sid": self.sid, "account_sid": self.account, "phone_number": self.phone_number,
            "friendly_name": self.friendly_name, "address_requirements": "none",
            "api_version": "2010-04-01", "beta": false, "capabilities": capabilities(),
            "date_created": self.created.to_rfc2822(), "date_updated": self.updated.to_rfc2822(),
            "origin": "twilio", "sms_application_sid": null, "sms_fallback_method": "POST",
            "trunk_sid": null, "uri": uri, "voice_application_sid": null,
            "voice_caller_id_lookup": false, "voice_fallback_method": "POST",
            "emergency_status": "Inactive", "emergency_address_sid": null,
            "emergency_address_status": "unregistered", "status": "in-use", "type": "local",
        });
        if let Value::Object(members) = &mut number {
            members.extend(self.settings.clone());
        }
        number
    }
}

fn capabilities() -> Value {
    json!({"voice": true, "sms": true, "mms": false, "fax": false})
}

/// Numbers that nobody has bought yet. Two searches rarely offer the same ones first.
pub(super) fn search(
    twilio: &mut TwilioState,
    sid: &str,
    country: &str,
    request: &Exchange,
) -> Result<Answer, Answer> {
    accounts::active(twilio, sid)?;
    let plan = PLANS.iter().find(|plan| plan.country == country);
    let plan = plan.ok_or_else(|| not_found(&format!("AvailablePhoneNumbers/{country}/Local")))?;
    let wanted = request.query("PageSize").and_then(|size| size.parse().ok()).unwrap_or(20);
    let first = twilio.search_cursor;
    let wanted = SEARCH_LIMIT.min(wanted);
    twilio.search_cursor = first.wrapping_add(wanted);
    let held: HashSet<&str> =
        twilio.numbers.iter().map(|held| held.phone_number.as_str()).collect();
    let found: Vec<Value> = (0..plan.size())
        .map(|step| plan.number(first.wrapping_add(step)))
        .filter(|number| !held.contains(number.as_str()))
        .filter(|number| request.query("Contains").is_none_or(|part| number.contains(part)))
        .take(wanted as usize)
        .map(|number| candidate(plan, &number))
        .collect();
    Ok(Answer::json(200, json!({"available_phone_numbers": found, "uri": request.path})))
}

fn candidate(plan: &Plan, number: &str) -> Value {
    json!({
        "phone_number": number, "friendly_name": number, "iso_country": plan.country,
        "locality": plan.locality, "region": null, "postal_code": null, "rate_center": null,
        "lata": null, "latitude": null, "longitude": null, "beta": false,
        "address_requirements": if plan.regulated { "local" } else { "none" },
        "capabilities": capabilities(),
    })
}

pub(super) fn buy(
    twilio: &mut TwilioState,
    sid: &str,
    request: &Exchange,
) -> Result<Answer, Answer> {
    let owner = accounts::active(twilio, sid)?;
    let phone_number = purchasable(twilio, request)?;
    let now = Utc::now();
    let mut number = Number {
        account: sid.to_owned(),
        sid: fresh_id("PN"),
        friendly_name: phone_number.clone(),
        phone_number,
        settings: SETTINGS
            .map(|(_, name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect(),
        created: now,
        updated: now,
    };
    number.configure(request);
    let detail = json!({
        "sid": number.sid, "account": sid, "phone_number": number.phone_number,
        "friendly_name": number.friendly_name,
    });
    let mut effect = owner.effect("twilio.buy_number", detail);
    if let Some(name) = request.form("FriendlyName") {
        effect.subject = Some(name.to_owned());
    }
    let answer = Answer::json(201, number.render()).effect(effect);
    twilio.numbers.push(number);
    Ok(answer)
}

/// The number that the form asks for, if it is free and its country's rules are met.
fn purchasable(twilio: &TwilioState, request: &Exchange) -> Result<String, Answer> {
    let Some(number) = request.form("PhoneNumber") else {
        let message = match request.form("AreaCode") {
            Some(_) => "AreaCode is not supported: give a PhoneNumber from a search",
            None => "PhoneNumber or AreaCode is required",
        };
        return Err(error(400, 21421, message));
    };
    let digits = number.strip_prefix('+').unwrap_or_default();
    if !(8..=15).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(error(400, 21421, &format!("PhoneNumber {number} is invalid: use E.164")));
    }
    let plan = PLANS.iter().find(|plan| plan.covers(number));
    let held = twilio.numbers.iter().any(|held| held.phone_number == number);
    let Some(plan) = plan.filter(|_| !held) else {
        return Err(error(400, 21422, &format!("PhoneNumber {number} is not available.")));
    };
    if plan.regulated {
        let bundle = request.form("BundleSid");
        if !bundle.is_some_and(|sid| bundles::permits_purchase(twilio, sid)) {
            let message = "Bundle required: BundleSid is missing or not approved for this number";
            return Err(error(400, 21649, message));
        }
        if request.form("AddressSid").is_none() {
            let message = "Phone Number requires an Address but AddressSid is missing";
            return Err(error(400, 21631, message));
        }
    }
    Ok(number.to_owned())
}

pub(super) fn list(twilio: &TwilioState, sid: &str, request: &Exchange) -> Result<Answer, Answer> {
    accounts::active(twilio, sid)?;
    let numbers: Vec<Value> = twilio
        .numbers
        .iter()
        .filter(|number| number.account == sid)
        .filter(|number| {
            request.query("FriendlyName").is_none_or(|name| number.friendly_name == name)
        })
        .filter(|number| {
            request.query("PhoneNumber").is_none_or(|part| number.phone_number.contains(part))
        })
        .map(Number::render)
        .collect();
    page(request, "incoming_phone_numbers", &numbers)
}

pub(super) fn get(twilio: &TwilioState, sid: &str, number: &str) -> Result<Answer, Answer> {
    let at = position(twilio, sid, number)?;
    let found = twilio.numbers.get(at).ok_or_else(|| missing(number))?;
    Ok(Answer::json(200, found.render()))
}

pub(super) fn update(
    twilio: &mut TwilioState,
    sid: &str,
    number: &str,
    request: &Exchange,
) -> Result<Answer, Answer> {
    let mut effect = accounts::active(twilio, sid)?
        .effect("twilio.update_number", json!({"sid": number, "account": sid}));
    let at = position(twilio, sid, number)?;
    let found = twilio.numbers.get_mut(at).ok_or_else(|| missing(number))?;
    found.configure(request);
    effect.subject = Some(found.friendly_name.clone());
    Ok(Answer::json(200, found.render()).effect(effect))
}

pub(super) fn release(twilio: &mut TwilioState, sid: &str, number: &str) -> Result<Answer, Answer> {
    let mut effect = accounts::active(twilio, sid)?
        .effect("twilio.release_number", json!({"sid": number, "account": sid}));
    let released = twilio.numbers.remove(position(twilio, sid, number)?);
    effect.subject = Some(released.friendly_name);
    Ok(Answer::no_content().effect(effect))
}

fn position(twilio: &TwilioState, sid: &str, number: &str) -> Result<usize, Answer> {
    let mut numbers = twilio.numbers.iter();
    numbers
        .position(|held| held.account == sid && held.sid == number)
        .ok_or_else(|| missing(number))
}

fn missing(number: &str) -> Answer {
    not_found(&format!("/IncomingPhoneNumbers/{number}"))
}

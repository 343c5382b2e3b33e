//! Messages: those that came in, as Twilio keeps them.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{TwilioState, accounts, page};
use crate::exchange::{Answer, Exchange};
use crate::json::text;

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    In,
    Out,
}

/// A message comes in for an account or goes out from it, and nobody is told.
pub(super) fn put(
    twilio: &mut TwilioState,
    direction: Direction,
    sid: &str,
    account: &str,
    from: &str,
    body: &str,
) {
    let now = Utc::now();
    let (direction, status) = match direction {
        Direction::In => ("inbound", "received"),
        Direction::Out => ("outbound-api", "delivered"),
    };
    twilio.messages.push(json!({
        "sid": sid, "account_sid": account, "from": from, "to": "+15005550006", "body": body,
        "direction": direction, "status": status, "num_segments": "1", "num_media": "0",
        "date_created": now.to_rfc2822(), "date_updated": now.to_rfc2822(), "date_sent": now.to_rfc2822(),
        "price": null, "price_unit": "USD", "error_code": null, "error_message": null,
        "messaging_service_sid": null, "api_version": "2010-04-01", "subresource_uris": {},
        "uri": format!("/2010-04-01/Accounts/{account}/Messages/{sid}.json"),
    }));
}

/// The newest first.
pub(super) fn list(twilio: &TwilioState, sid: &str, request: &Exchange) -> Result<Answer, Answer> {
    accounts::active(twilio, sid)?;
    let since =
        request.query("DateSent>").and_then(|since| DateTime::parse_from_rfc3339(since).ok());
    let is_asked_for = |message: &&Value| {
        let sent =
            text(message, "/date_sent").and_then(|sent| DateTime::parse_from_rfc2822(sent).ok());
        text(message, "/account_sid") == Some(sid)
            && since.is_none_or(|since| sent.is_some_and(|sent| sent >= since))
    };
    let found: Vec<Value> = twilio.messages.iter().rev().filter(is_asked_for).cloned().collect();
    page(request, "messages", &found)
}

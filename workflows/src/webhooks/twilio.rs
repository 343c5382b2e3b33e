//! Reading what Twilio posts: calls, messages, how they went, and how the examination of a bundle did.

use autopilot_engine::{EnqueueError, NewJob};
use bytes::Bytes;
use serde_json::Value;

use super::delivery::{Delivery, Meaning, is_plain};
use super::twilio_event::TwilioEvent;
use crate::state::provider::Provider;

const UNREADABLE: &str = "the signature is right, but the form does not say what it is about: a SID and a status are expected";

/// Which of our addresses was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// A message came in.
    Sms,
    /// A call comes in.
    Voice,
    /// A message or a call of ours has come to another state.
    Status,
    /// The examination of a regulatory bundle has.
    Bundle,
}

/// What Twilio posted: the parameters in their order, and the token by which Twilio marks a repetition, where it sent one.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// Names and values, decoded.
    pub parameters: &'a [(String, String)],
    /// `I-Twilio-Idempotency-Token`.
    pub token: Option<&'a str>,
}

impl Form<'_> {
    /// The first value of a parameter that has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.parameters.iter().filter(|(own, _)| own == name);
        values.next().map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Reads a delivery. `digest` names what has no readable id; it must be the same for the same bytes.
///
/// # Errors
/// When its job cannot be written as JSON.
pub fn read(
    endpoint: Endpoint,
    form: Form<'_>,
    body: Bytes,
    headers: Value,
    digest: impl Fn(&[u8]) -> String,
) -> Result<Delivery, EnqueueError> {
    let provider = Provider::Twilio;
    let repetition = || form.token.map_or_else(|| digest(&body), ToOwned::to_owned);
    let named = name(endpoint, form, repetition);
    let Some((id, kind)) = named.filter(|(id, kind)| is_plain(id) && is_plain(kind)) else {
        let (id, kind) = (digest(&body), "unreadable".to_owned());
        let meaning = Meaning::Unreadable(UNREADABLE);
        return Ok(Delivery { provider, id, kind, occurred_at: None, body, headers, meaning });
    };
    let job = NewJob::of(&TwilioEvent { event: id.clone() })?.named(&id);
    let meaning = Meaning::Job(Box::new(job));
    Ok(Delivery { provider, id, kind, occurred_at: None, body, headers, meaning })
}

/// The event's id and what it is. The same state of the same thing is the same event; only a bundle may come to a state again, where
/// Twilio's mark of a repetition tells the two apart.
fn name(
    endpoint: Endpoint,
    form: Form<'_>,
    repetition: impl FnOnce() -> String,
) -> Option<(String, String)> {
    Some(match endpoint {
        Endpoint::Sms => (form.get("MessageSid")?.to_owned(), "message.received".to_owned()),
        Endpoint::Voice => (form.get("CallSid")?.to_owned(), "call.incoming".to_owned()),
        Endpoint::Status => match (form.get("MessageSid"), form.get("CallSid")) {
            (Some(sid), _) => state(sid, "message", form.get("MessageStatus")?),
            (None, Some(sid)) => state(sid, "call", form.get("CallStatus")?),
            (None, None) => return None,
        },
        Endpoint::Bundle => {
            let (id, kind) = state(form.get("BundleSid")?, "bundle", form.get("Status")?);
            (format!("{id}:{}", repetition()), kind)
        }
    })
}

fn state(sid: &str, what: &str, status: &str) -> (String, String) {
    (format!("{sid}:{status}"), format!("{what}.{status}"))
}

//! Reading what Meta delivers: one request may hold many messages and statuses of several numbers, each of which is an event of
//! its own.

use autopilot_engine::{EnqueueError, Job as _, NewJob};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::delivery::{Delivery, Meaning, is_plain};
use super::whatsapp_event::WhatsAppEvent;
use crate::state::provider::Provider;

const UNREADABLE: &str = "the signature is right, but it is nothing that WhatsApp delivers: `entry` with `changes` is expected, and in them messages and statuses with an `id`";

/// More events than this in one request were never seen: Meta gathers up to a thousand updates.
const MOST: usize = 5_000;

#[derive(Deserialize)]
struct Post<'a> {
    #[serde(borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    /// The business account.
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    /// Of what has no time of its own.
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    field: String,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// What a change of the field `messages` holds. What is not known stays in the raw parts.
#[derive(Deserialize)]
struct Messages<'a> {
    #[serde(borrow)]
    metadata: &'a RawValue,
    #[serde(borrow, default)]
    contacts: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    statuses: Vec<&'a RawValue>,
    /// Errors of the account, not of a message.
    #[serde(borrow, default)]
    errors: Vec<&'a RawValue>,
}

/// One event as it is kept: its part of the delivery, letter by letter, and what stood around it.
#[derive(Clone, Copy, Serialize)]
struct Kept<'a> {
    field: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
}

/// What names a message or a status.
#[derive(Deserialize)]
struct Named {
    id: String,
    /// Seconds since 1970, as text.
    #[serde(default)]
    timestamp: String,
    /// Of a message.
    #[serde(rename = "type", default)]
    kind: String,
    /// Of a status.
    #[serde(default)]
    status: String,
}

/// Reads a delivery: all events in it, in their order; one that is unreadable as a whole is one event. `digest` names what has no
/// readable id; it must be the same for the same bytes.
///
/// # Errors
/// When a job cannot be written as JSON.
pub fn read(
    body: &Bytes,
    headers: &Value,
    digest: impl Fn(&[u8]) -> String,
) -> Result<Vec<Delivery>, EnqueueError> {
    let reader = Reader { headers, digest };
    let Ok(post) = serde_json::from_slice::<Post<'_>>(body) else {
        return Ok(vec![reader.unreadable(body.clone())]);
    };
    let mut found = Vec::new();
    for entry in &post.entry {
        for change in &entry.changes {
            reader.change(entry, change, &mut found)?;
        }
    }
    if found.is_empty() || found.len() > MOST {
        return Ok(vec![reader.unreadable(body.clone())]);
    }
    Ok(found)
}

struct Reader<'h, D> {
    headers: &'h Value,
    digest: D,
}

impl<D: Fn(&[u8]) -> String> Reader<'_, D> {
    fn change(
        &self,
        entry: &Entry<'_>,
        change: &Change<'_>,
        found: &mut Vec<Delivery>,
    ) -> Result<(), EnqueueError> {
        let bare = Kept {
            field: &change.field,
            account: entry.id,
            time: entry.time,
            metadata: None,
            contacts: None,
            message: None,
            status: None,
            value: None,
        };
        let parts = match change.field.as_str() {
            "messages" => serde_json::from_str::<Messages<'_>>(change.value.get()).ok(),
            _ => None,
        };
        let Some(parts) = parts.filter(Messages::is_something) else {
            // Of templates, accounts, preferences: acted on by nobody yet, or not readable.
            found.push(self.whole(&Kept { value: Some(change.value), ..bare })?);
            return Ok(());
        };
        let around = Kept { metadata: Some(parts.metadata), contacts: parts.contacts, ..bare };
        for message in &parts.messages {
            found.push(self.one("message", message, &Kept { message: Some(message), ..around })?);
        }
        for status in &parts.statuses {
            found.push(self.one("status", status, &Kept { status: Some(status), ..around })?);
        }
        for error in &parts.errors {
            found.push(self.whole(&Kept { value: Some(error), ..around })?);
        }
        Ok(())
    }

    /// A message, named by its id; or a status of one, named by that and the status.
    fn one(&self, what: &str, part: &RawValue, kept: &Kept<'_>) -> Result<Delivery, EnqueueError> {
        let named = serde_json::from_str::<Named>(part.get()).ok();
        let named = named.filter(|named| {
            let of = if what == "status" { &named.status } else { &named.kind };
            is_plain(&named.id) && is_plain(of)
        });
        let Some(Named { id, timestamp, kind, status }) = named else {
            return Ok(self.unreadable(written(kept)?));
        };
        let (id, kind) = match what {
            "status" => (format!("{id}:{status}"), format!("status.{status}")),
            _ => (id, format!("message.{kind}")),
        };
        let job = NewJob::of(&WhatsAppEvent { event: id.clone() })?.named(&id);
        Ok(Delivery {
            provider: Provider::Whatsapp,
            occurred_at: timestamp
                .parse()
                .ok()
                .and_then(|at| DateTime::<Utc>::from_timestamp(at, 0)),
            id,
            kind,
            body: written(kept)?,
            headers: self.headers.clone(),
            meaning: Meaning::Job(Box::new(job)),
        })
    }

    /// What has no name of its own: it is the digest of what it says.
    fn whole(&self, kept: &Kept<'_>) -> Result<Delivery, EnqueueError> {
        let body = written(kept)?;
        let kind =
            if is_plain(kept.field) { kept.field.to_owned() } else { "unreadable".to_owned() };
        Ok(Delivery {
            provider: Provider::Whatsapp,
            id: (self.digest)(&body),
            kind,
            occurred_at: None,
            body,
            headers: self.headers.clone(),
            meaning: Meaning::Nothing,
        })
    }

    fn unreadable(&self, body: Bytes) -> Delivery {
        Delivery {
            provider: Provider::Whatsapp,
            id: (self.digest)(&body),
            kind: "unreadable".to_owned(),
            occurred_at: None,
            body,
            headers: self.headers.clone(),
            meaning: Meaning::Unreadable(UNREADABLE),
        }
    }
}

impl Messages<'_> {
    fn is_something(&self) -> bool {
        !(self.messages.is_empty() && self.statuses.is_empty() && self.errors.is_empty())
    }
}

fn written(kept: &Kept<'_>) -> Result<Bytes, EnqueueError> {
    let encode = |source| EnqueueError::Encode { kind: WhatsAppEvent::KIND.to_owned(), source };
    Ok(serde_json::to_vec(kept).map_err(encode)?.into())
}

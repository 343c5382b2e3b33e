//! Stripe's own record of its events, of the last thirty days: what should have been delivered.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use stripe_client_core::{RequestBuilder, StripeMethod};
use url::form_urlencoded;

use super::wire::Options;
use super::{Stripe, StripeError};
use crate::integrations::http::{Access, Unreadable};

/// How many events a page has at most. Few enough that events as large as invoices with hundreds of lines fit into an answer
/// ([`MAX_ANSWER`](crate::integrations::http::MAX_ANSWER)): a page that is too large would be so again.
const PAGE: usize = 20;

/// Some events, the newest first.
#[derive(Debug, Clone)]
pub struct EventPage {
    /// The events.
    pub events: Vec<ListedEvent>,
    /// Whether older ones follow.
    pub has_more: bool,
}

/// An event as Stripe lists it.
#[derive(Debug, Clone)]
pub struct ListedEvent {
    /// Its id, `evt_…`.
    pub id: String,
    /// The event as it would be delivered.
    pub body: Bytes,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    has_more: bool,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Stripe {
    /// A page of the events of these types (twenty at most) that happened at `since` or later, the newest first; `after` is the last one
    /// of the page before. Of our own account, or of a connected one, whose events stand in its own record only.
    ///
    /// # Errors
    ///
    /// See [`StripeError`]. Safe to repeat.
    pub async fn events(
        &self,
        types: &[&str],
        since: DateTime<Utc>,
        after: Option<&str>,
        account: Option<&str>,
    ) -> Result<EventPage, StripeError> {
        let mut request = RequestBuilder::new(StripeMethod::Get, "/events");
        request.query = Some(query(types, since, after));
        let options = Options { account: account.map(Into::into), ..Options::default() };
        let body = self.call(request, options).await?;
        read(&body).map_err(|error| StripeError::Unreadable {
            problem: Unreadable::from(&error).to_string(),
            access: Access::Read,
        })
    }
}

fn query(types: &[&str], since: DateTime<Utc>, after: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &PAGE.to_string());
    query.append_pair("created[gte]", &since.timestamp().to_string());
    for (number, kind) in types.iter().enumerate() {
        query.append_pair(&format!("types[{number}]"), kind);
    }
    if let Some(after) = after {
        query.append_pair("starting_after", after);
    }
    query.finish()
}

fn read(body: &[u8]) -> Result<EventPage, serde_json::Error> {
    let page: Page<'_> = serde_json::from_slice(body)?;
    let listed = page.data.iter().map(|event| {
        let Named { id } = serde_json::from_str(event.get())?;
        Ok(ListedEvent { id, body: Bytes::copy_from_slice(event.get().as_bytes()) })
    });
    Ok(EventPage {
        events: listed.collect::<Result<_, serde_json::Error>>()?,
        has_more: page.has_more,
    })
}

//! Messages that came in, as Twilio keeps them: what should have been posted to us.

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;

use super::{AccountSid, Twilio, TwilioError, rfc2822};

/// How many messages a page has: few enough that the longest fit into an answer.
const PAGE: &str = "200";

/// Some messages, the newest first.
#[derive(Debug, Clone)]
pub struct MessagePage {
    /// Those of them that came in.
    pub inbound: Vec<Inbound>,
    /// The page with older ones, if there are any.
    pub next: Option<NextPage>,
}

/// Where older messages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage(String);

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    /// Its id.
    pub sid: String,
    /// From whom.
    pub from: String,
    /// To which of our numbers.
    pub to: String,
    /// What it says.
    pub body: String,
    /// When it came.
    pub sent_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Message>,
    #[serde(default)]
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    sid: String,
    direction: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default, deserialize_with = "rfc2822")]
    date_sent: Option<DateTime<Utc>>,
}

impl Twilio {
    /// A page of the messages of an account since a day; `page` is the one that the page before named.
    ///
    /// # Errors
    ///
    /// See [`TwilioError`]. Safe to repeat.
    pub async fn messages(
        &self,
        account: &AccountSid,
        since: DateTime<Utc>,
        page: Option<&NextPage>,
    ) -> Result<MessagePage, TwilioError> {
        let request = match page {
            Some(NextPage(path)) => self.api.request(Method::GET, path),
            None => {
                let since = since.format("%Y-%m-%dT%H:%M:%SZ").to_string();
                self.on_account(Method::GET, account, "/Messages.json")
                    .query(&[("DateSent>", since.as_str()), ("PageSize", PAGE)])
            }
        };
        let Page { messages, next_page_uri } =
            self.call(&self.api, "list the messages", request).await?;
        let inbound = messages.into_iter().filter(|message| message.direction == "inbound");
        let inbound = inbound.map(|message| Inbound {
            sid: message.sid,
            from: message.from.unwrap_or_default(),
            to: message.to.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            sent_at: message.date_sent,
        });
        // An answer must not send us elsewhere with our credentials; and what it says to follow must not be left out in silence.
        let own = format!("/2010-04-01/Accounts/{account}/Messages.json?");
        let next = match next_page_uri.filter(|path| !path.is_empty()) {
            Some(path) if path.starts_with(&own) => Some(NextPage(path)),
            Some(_) => return Err(TwilioError::Page { operation: "list the messages" }),
            None => None,
        };
        Ok(MessagePage { inbound: inbound.collect(), next })
    }
}

//! Twilio: a subaccount for each studio, its API key and its telephone number.
//!
//! Twilio knows no idempotency keys. What makes a repeated step safe is a friendly name that is
//! stable per workspace: look it up first, create only what is not there, and look again after any
//! lost answer.
//!
//! Every call authenticates as the *main* account, also on a subaccount's path, which Twilio
//! allows. So provisioning holds one credential, needs no decrypted token of a studio, and keeps
//! working when a subaccount's own token was rotated or its key deleted.

mod accounts;
mod bundles;
mod error;
mod ids;
mod keys;
mod messages;
mod numbers;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::integrations::http::{Answer, Pace, Timeouts, Transport};

pub use accounts::{AccountStatus, Balance, Subaccount};
pub use bundles::BundleStatus;
pub use error::TwilioError;
pub use ids::{AccountSid, AddressSid, BundleSid, KeySid, NotASid, NumberSid};
pub use keys::{Key, NewKey};
pub use messages::{Inbound, MessagePage, NextPage};
pub use numbers::{Candidate, Number, Purchase, Webhooks};

/// Where Twilio's core API lives.
pub const BASE_URL: &str = "https://api.twilio.com";

/// Where Twilio's regulatory API lives: a host of its own.
pub const NUMBERS_BASE_URL: &str = "https://numbers.twilio.com";

/// The longest friendly name that Twilio takes, in characters.
pub const MAX_FRIENDLY_NAME: usize = 64;

/// The main account and where to reach Twilio.
#[derive(Debug, Clone)]
pub struct Config {
    /// The core API. Default [`BASE_URL`].
    pub base_url: String,
    /// The regulatory API. Default [`NUMBERS_BASE_URL`].
    pub numbers_base_url: String,
    /// The main account, which owns the subaccounts.
    pub account_sid: AccountSid,
    /// Its auth token.
    pub auth_token: SecretString,
    /// How long to wait. Defaults: 5 s to connect, 20 s for a call.
    pub timeouts: Timeouts,
}

impl Config {
    /// The real Twilio, with the credentials of the main account.
    #[must_use]
    pub fn new(account_sid: AccountSid, auth_token: SecretString) -> Self {
        Self {
            base_url: BASE_URL.to_owned(),
            numbers_base_url: NUMBERS_BASE_URL.to_owned(),
            account_sid,
            auth_token,
            timeouts: Timeouts::default(),
        }
    }
}

/// A client of the main account. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Twilio {
    api: Transport,
    regulatory: Transport,
    account: AccountSid,
    token: Arc<SecretString>,
}

/// What a look-up by friendly name found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The oldest of them, which is the one to adopt.
    pub oldest: T,
    /// How many more bear the name. Anything but 0 deserves an alert: somebody paid twice.
    pub duplicates: usize,
}

impl<T> Found<T> {
    /// Whether more than one bears the name.
    #[must_use]
    pub const fn is_ambiguous(&self) -> bool {
        self.duplicates > 0
    }

    /// The oldest by `age`, if there is any.
    fn oldest_by<K: Ord>(all: Vec<T>, age: impl Fn(&T) -> K) -> Option<Self> {
        let duplicates = all.len().saturating_sub(1);
        all.into_iter().min_by_key(age).map(|oldest| Self { oldest, duplicates })
    }
}

impl Twilio {
    /// A client for the account of `config`. Calls nobody.
    ///
    /// # Errors
    ///
    /// A transport error if a base URL or the TLS set-up cannot be used.
    pub fn new(config: Config) -> Result<Self, TwilioError> {
        Ok(Self {
            api: Transport::new(&config.base_url, config.timeouts)?,
            regulatory: Transport::new(&config.numbers_base_url, config.timeouts)?,
            account: config.account_sid,
            token: Arc::new(config.auth_token),
        })
    }

    /// The same client, whose calls and whose clones' calls take turns at this pace.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        let regulatory = self.regulatory.paced(pace.clone());
        Self { api: self.api.paced(pace), regulatory, ..self }
    }

    /// A request on an account's own resources, such as `Accounts/AC…/Keys.json`.
    fn on_account(&self, method: Method, account: &AccountSid, resource: &str) -> RequestBuilder {
        self.api.request(method, &format!("/2010-04-01/Accounts/{account}{resource}"))
    }

    /// Sends and reads an answer that has a body.
    async fn call<T: DeserializeOwned>(
        &self,
        transport: &Transport,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<T, TwilioError> {
        let answer = self.send(transport, operation, request).await?;
        answer.json().map_err(|source| TwilioError::Unreadable {
            operation,
            source,
            access: answer.access,
        })
    }

    /// Sends as the main account; anything but 2xx is an error.
    async fn send(
        &self,
        transport: &Transport,
        operation: &'static str,
        request: RequestBuilder,
    ) -> Result<Answer, TwilioError> {
        let request = request.basic_auth(&self.account, Some(self.token.expose_secret()));
        let answer = transport.send(request).await?;
        if answer.status.is_success() {
            Ok(answer)
        } else {
            Err(TwilioError::of_answer(operation, &answer))
        }
    }
}

fn check_friendly_name(name: &str) -> Result<(), TwilioError> {
    let length = name.chars().count();
    if (1..=MAX_FRIENDLY_NAME).contains(&length) {
        Ok(())
    } else {
        Err(TwilioError::FriendlyName { length })
    }
}

/// Twilio's dates are RFC 2822 texts, or null.
fn rfc2822<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Option::<String>::deserialize(deserializer)?
        .map(|text| DateTime::parse_from_rfc2822(&text).map(|date| date.to_utc()))
        .transpose()
        .map_err(D::Error::custom)
}

/// Twilio writes "no URL" as null or as an empty text.
fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// Orders by creation, unknown dates last, and by id among equals, so that every worker adopts the
/// same one.
fn age<I: Clone + Ord>(
    created: Option<DateTime<Utc>>,
    sid: &I,
) -> (bool, Option<DateTime<Utc>>, I) {
    (created.is_none(), created, sid.clone())
}

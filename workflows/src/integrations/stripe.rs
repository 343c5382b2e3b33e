//! Stripe: what a workspace has subscribed to, and whether Stripe can be reached.
//!
//! Requests and answers are typed by async-stripe; the wire is ours, because its own client
//! loses the headers of an error and the status of an answer that is not JSON.

mod charge;
mod error;
mod events;
mod subscription;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use stripe_billing::subscription::{ListSubscription, ListSubscriptionStatus};
use stripe_client_core::{RequestBuilder, StripeMethod};

use wire::Options;

use crate::integrations::http::{Access, Pace, Timeouts, Transport, Unreadable};

pub use error::{Explanation, StripeError};
pub use events::{EventPage, ListedEvent};
pub use subscription::{Entitlement, Status, Subscription};

/// Where Stripe lives.
pub const BASE_URL: &str = "https://api.stripe.com";

/// The version of Stripe's API that the types were generated for; sent with every request.
pub const API_VERSION: &str = "2026-09-30.endive";

/// How many subscriptions of one customer are looked at, the newest first.
const NEWEST: i64 = 100;

/// Whose Stripe account, and where to reach it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Default [`BASE_URL`].
    pub base_url: String,
    /// The secret (`sk_…`) or restricted (`rk_…`) key.
    pub secret_key: SecretString,
    /// How long to wait. Defaults: 5 s to connect, 20 s for a call.
    pub timeouts: Timeouts,
}

impl Config {
    /// The real Stripe, with this key.
    #[must_use]
    pub fn new(secret_key: SecretString) -> Self {
        Self { base_url: BASE_URL.to_owned(), secret_key, timeouts: Timeouts::default() }
    }
}

/// A client of one Stripe account. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stripe {
    transport: Transport,
    key: Arc<SecretString>,
}

#[derive(Deserialize)]
struct AnyObject {
    #[serde(rename = "object")]
    _object: String,
}

impl Stripe {
    /// A client for the account of `config`. Calls nobody.
    ///
    /// # Errors
    ///
    /// A transport error if the base URL or the TLS set-up cannot be used.
    pub fn new(config: Config) -> Result<Self, StripeError> {
        let transport = Transport::new(&config.base_url, config.timeouts)?;
        Ok(Self { transport, key: Arc::new(config.secret_key) })
    }

    /// The same client, whose calls and whose clones' calls take turns at this pace.
    #[must_use]
    pub fn paced(self, pace: Pace) -> Self {
        Self { transport: self.transport.paced(pace), ..self }
    }

    /// Whether the key is of Stripe's live mode; none where it does not say.
    #[must_use]
    pub fn is_live(&self) -> Option<bool> {
        let (_, rest) = self.key.expose_secret().split_once('_')?;
        match rest.split_once('_')?.0 {
            "live" => Some(true),
            "test" => Some(false),
            _ => None,
        }
    }

    /// The newest hundred subscriptions of a customer in whatever status, newest first.
    ///
    /// Reads the list, which shows a write at once; Stripe's search may lag by minutes.
    ///
    /// # Errors
    ///
    /// See [`StripeError`]. Safe to repeat.
    pub async fn subscriptions(&self, customer: &str) -> Result<Vec<Subscription>, StripeError> {
        let page = ListSubscription::new()
            .customer(customer)
            .status(ListSubscriptionStatus::All)
            .limit(NEWEST)
            .send(self)
            .await
            .map_err(StripeError::of_a_read)?;
        page.data.iter().map(Subscription::parse).collect()
    }

    /// Whether Stripe answers and accepts our key.
    ///
    /// # Errors
    ///
    /// See [`StripeError`]. Safe to repeat.
    pub async fn ping(&self) -> Result<(), StripeError> {
        let request = RequestBuilder::new(StripeMethod::Get, "/balance");
        let body = self.call(request, Options::default()).await?;
        match serde_json::from_slice::<AnyObject>(&body) {
            Ok(_) => Ok(()),
            Err(error) => Err(StripeError::Unreadable {
                problem: Unreadable::from(&error).to_string(),
                access: Access::Read,
            }),
        }
    }
}

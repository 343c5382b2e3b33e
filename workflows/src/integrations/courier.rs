//! Posting to addresses that tenants name: to the public Internet only, over TLS, without redirects.
//!
//! A tenant must not make us talk to our own machine, our own network or the cloud's metadata service. So the address is checked when it
//! is connected to, not only when it is entered: whoever answers for the name may say something else by then.

mod guard;
mod signature;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use autopilot_engine::{Class, Effect, Failure};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode, redirect, retry};
use url::{Host, Url};

use guard::{Guard, PrivateAddress};
pub use guard::{Lookup, SystemLookup};
pub use signature::{Secret, SecretError, sign};

use super::address::is_public;
use super::http::{USER_AGENT, install_crypto};

/// Until the connection stands, with DNS and TLS.
const CONNECT: Duration = Duration::from_secs(5);

/// One post in all.
const TOTAL: Duration = Duration::from_secs(15);

/// So much of an answer is read: what follows tells nobody anything.
const MOST_READ: usize = 64 * 1024;

/// So much of it is kept, for the delivery's log.
const MOST_KEPT: usize = 1024;

/// Where posts may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Targets {
    /// To port 443 of addresses of the public Internet.
    Public,
    /// Anywhere, also in the clear: for tests and developers.
    Any,
}

/// Why an address is not posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It cannot be read.
    #[error("is not an address; write it as https://host/path")]
    Unreadable,
    /// It is not encrypted.
    #[error("must begin with https://")]
    Scheme,
    /// It has another port.
    #[error("must use port 443")]
    Port,
    /// It carries credentials.
    #[error(
        "carries a user name or password; the signature vouches for us, remove what stands before the @"
    )]
    Credentials,
    /// It is not of the public Internet.
    #[error("is not an address of the public Internet")]
    Private,
}

/// Reads an address that a tenant names. What its name stands for is looked at when it is connected to.
///
/// # Errors
/// Why it is not posted to.
pub fn target(text: &str, targets: Targets) -> Result<Url, TargetError> {
    let url = Url::parse(text).map_err(|_reason_is_ours| TargetError::Unreadable)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(TargetError::Credentials);
    }
    if targets == Targets::Any && matches!(url.scheme(), "http" | "https") {
        return Ok(url);
    }
    if url.scheme() != "https" {
        return Err(TargetError::Scheme);
    }
    if url.port_or_known_default() != Some(443) {
        return Err(TargetError::Port);
    }
    let is_private = match url.host() {
        Some(Host::Domain(_)) => false,
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        None => true,
    };
    if is_private { Err(TargetError::Private) } else { Ok(url) }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The status.
    pub status: StatusCode,
    /// How long to wait, if the answer said so.
    pub retry_after: Option<Duration>,
    /// The beginning of the answer.
    pub answer: String,
    /// From the first look at the name to the end of the answer.
    pub took: Duration,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The address is not posted to.
    #[error("the address {0}")]
    Target(#[from] TargetError),
    /// Its name stands for an address that is not of the public Internet.
    #[error("the name of the address stands for one that is not of the public Internet")]
    Private,
    /// Nobody was there.
    #[error("no connection: {0}")]
    Connect(String),
    /// It took too long, or broke off.
    #[error("no answer: {0}")]
    Answer(String),
}

impl PostError {
    /// As the failure of a step.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (class, code, effect) = match self {
            Self::Target(_) | Self::Private => {
                (Class::ConfigurationError, "endpoint_address", Effect::None)
            }
            Self::Connect(_) => (Class::TransientNetwork, "endpoint_connect", Effect::None),
            Self::Answer(_) => (Class::TransientNetwork, "endpoint_answer", Effect::Unknown),
        };
        Failure::new(class, code, self.to_string()).effect(effect)
    }
}

/// Posts to addresses that tenants name. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Courier {
    client: Client,
    targets: Targets,
}

impl Courier {
    /// A courier that may go to `targets`, and asks the system for what names stand for. Calls nobody.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(targets: Targets) -> Result<Self, reqwest::Error> {
        Self::asking(targets, SystemLookup)
    }

    /// As [`new`](Self::new), asking somebody else what names stand for.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn asking(targets: Targets, lookup: impl Lookup) -> Result<Self, reqwest::Error> {
        install_crypto();
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT)
            .timeout(TOTAL)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .pool_max_idle_per_host(1)
            .dns_resolver(std::sync::Arc::new(Guard::new(targets, lookup)))
            .build()?;
        Ok(Self { client, targets })
    }

    /// Posts a body once.
    ///
    /// # Errors
    /// See [`PostError`].
    pub async fn post(
        &self,
        address: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Posted, PostError> {
        let url = target(address, self.targets)?;
        let begun = Instant::now();
        let sent = self.client.post(url).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| failed(&error))?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let mut read = Vec::new();
        while read.len() < MOST_READ
            && let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))?
        {
            read.extend_from_slice(&chunk);
        }
        read.truncate(MOST_KEPT);
        let answer = String::from_utf8_lossy(&read).replace('\0', "\u{fffd}");
        Ok(Posted { status, retry_after, answer, took: begun.elapsed() })
    }
}

fn failed(error: &reqwest::Error) -> PostError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<PrivateAddress>() {
            return PostError::Private;
        }
        cause = inner.source();
    }
    // Nothing of what lies behind is told in detail: it would say what our network looks like.
    let what = if error.is_timeout() { "it took too long" } else { "the connection failed" };
    if error.is_connect() {
        PostError::Connect(what.to_owned())
    } else {
        PostError::Answer(what.to_owned())
    }
}

/// Seconds only: a date would need a clock that agrees.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

//! The one way out over HTTP: bounded in time and size, no redirects, no retries.
//!
//! An adapter builds a request with [`Transport::request`] and sends it with [`Transport::send`].
//! It gets every status as an [`Answer`]; what a status means is the adapter's business. What went
//! wrong below HTTP is a [`TransportError`], which knows whether the request can have taken effect.
//! A [`Pace`] keeps a process's calls below the provider's rate limit.

mod answer;
mod error;
mod pace;
mod retry_after;
mod status;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use reqwest::{Client, Method, Request, RequestBuilder, Response, Url};

pub(crate) use answer::excerpt;
pub use answer::{Access, Answer, Unreadable};
pub(crate) use error::NO_TURN;
pub use error::TransportError;
pub use pace::Pace;
pub(crate) use status::diagnose_status;

/// How we name ourselves to providers. Meta's contract demands the form `name/1.2.3`.
pub const USER_AGENT: &str = "autopilot/0.1.0";

/// How long connecting may take, including DNS and TLS.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call may take in all, from DNS to the last byte of the answer.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How many bytes of an answer are read: 4 MiB, for a page of what providers list.
pub const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// How long an adapter waits for its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For connecting, including DNS and TLS. Default [`CONNECT_TIMEOUT`].
    pub connect: Duration,
    /// For the whole call. Default [`CALL_TIMEOUT`]. A step's lease must outlast it.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, call: CALL_TIMEOUT }
    }
}

/// Installs rustls's ring provider for the process, once; calling it again does nothing.
///
/// reqwest is built without a provider of its own, so that ring is the only one in the binary.
/// [`Transport::new`] calls it; a process that opens TLS connections earlier calls it at its start.
pub fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none()
        && rustls::crypto::ring::default_provider().install_default().is_err()
    {
        // Another thread was faster: there is a provider, and that is all we want.
        tracing::trace!("a crypto provider was installed meanwhile");
    }
}

/// A connection pool to one provider, below a base URL. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Transport {
    client: Client,
    base: Url,
    call: Duration,
    pace: Option<Pace>,
}

impl Transport {
    /// A transport to `base_url`, which may carry a path prefix such as
    /// `http://127.0.0.1:9000/twilio`.
    ///
    /// Proxies named in the environment are not used: where tenants' data goes is never decided by
    /// a variable that happens to be set.
    ///
    /// # Errors
    ///
    /// [`TransportError::BaseUrl`] if the URL is not absolute http(s) or carries credentials or a
    /// query, [`TransportError::Setup`] if TLS cannot be set up, for example without root
    /// certificates.
    pub fn new(base_url: &str, timeouts: Timeouts) -> Result<Self, TransportError> {
        let base = parse_base(base_url)?;
        install_crypto();
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.call)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()
            .map_err(|source| TransportError::Setup { source: source.without_url() })?;
        Ok(Self { client, base, call: timeouts.call, pace: None })
    }

    /// Takes a turn of `pace` before each call. The wait is part of the call's time: at most half of it, after which
    /// the call fails without having been made.
    #[must_use]
    pub fn paced(mut self, pace: Pace) -> Self {
        self.pace = Some(pace);
        self
    }

    /// A request to `path` below the base URL, whose own path is kept.
    ///
    /// The path begins with `/` and may carry a query that is encoded already.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let mut url = self.base.clone();
        url.set_query(query);
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        self.client.request(method, url)
    }

    /// Sends a request once and reads the whole answer, whatever its status.
    ///
    /// # Errors
    ///
    /// A [`TransportError`] if no complete answer came; its effect says whether the request can
    /// have been executed all the same.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, TransportError> {
        let mut request = request
            .build()
            .map_err(|source| TransportError::Request { source: source.without_url() })?;
        let access = Access::of(request.method());
        let failed = |source| TransportError::of_exchange(&self.base, access, source);
        self.take_turn(&mut request).await?;

        let mut response = self.client.execute(request).await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = match read_capped(&mut response).await.map_err(failed)? {
            Some(body) => body,
            None => {
                return Err(TransportError::TooLarge {
                    host: error::host(&self.base),
                    status,
                    access,
                });
            }
        };
        tracing::debug!(host = self.base.host_str(), status = status.as_u16(), "provider answered");
        Ok(Answer { status, headers, body, access })
    }

    /// Waits for a turn and leaves the request the rest of the call's time.
    async fn take_turn(&self, request: &mut Request) -> Result<(), TransportError> {
        let Some(pace) = &self.pace else { return Ok(()) };
        let begun = Instant::now();
        let patience = self.call / 2;
        if pace.turn(patience).await.is_err() {
            return Err(TransportError::NoTurn { host: error::host(&self.base), waited: patience });
        }
        *request.timeout_mut() = Some(self.call.saturating_sub(begun.elapsed()));
        Ok(())
    }
}

/// Reads the body, or nothing if it is larger than [`MAX_ANSWER`].
async fn read_capped(response: &mut Response) -> reqwest::Result<Option<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

fn parse_base(text: &str) -> Result<Url, TransportError> {
    let refuse = |reason: &'static str| TransportError::BaseUrl { reason };
    let url = Url::parse(text).map_err(|error| {
        tracing::debug!(%error, "base URL does not parse");
        refuse("it is not a URL")
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse("it does not begin with http:// or https:// and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it carries credentials; they have settings of their own"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it carries a query or a fragment"));
    }
    Ok(url)
}

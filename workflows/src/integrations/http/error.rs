//! What can go wrong below HTTP, and whether the request can have taken effect all the same.

use std::error::Error;
use std::time::Duration;

use autopilot_engine::{Class, Effect};
use reqwest::{StatusCode, Url};

use super::Access;
use crate::integrations::diagnosis::{Diagnosis, classify_by_diagnosis};
use crate::integrations::tls::tls_error;

/// The code of [`TransportError::NoTurn`].
pub(crate) const NO_TURN: &str = "http_no_turn";

/// Why there is no complete answer. It names the host, never the path or the body.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The base URL in the configuration cannot be used.
    #[error("the base URL cannot be used: {reason}")]
    BaseUrl {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The HTTP client cannot be set up on this machine.
    #[error("the HTTP client cannot be set up: {}", root(source))]
    Setup {
        /// What reqwest says.
        source: reqwest::Error,
    },
    /// The request cannot be built, for example because a credential contains a line break.
    #[error("the request cannot be built: {}", root(source))]
    Request {
        /// What reqwest says.
        source: reqwest::Error,
    },
    /// The pace of our calls had no turn for this one in time. Nothing was sent.
    #[error(
        "{host} was not asked: no turn came within {waited:?} at the rate of calls that is set for it"
    )]
    NoTurn {
        /// The host and port.
        host: String,
        /// How long the call waited.
        waited: Duration,
    },
    /// No connection: DNS, refused, TLS handshake or connect timeout. Nothing was sent.
    #[error("cannot connect to {host}: {}", root(source))]
    Connect {
        /// The host and port.
        host: String,
        /// What reqwest says.
        source: reqwest::Error,
    },
    /// The host does not present a valid certificate. Nothing was sent.
    #[error("{host} has no valid TLS certificate: {reason}")]
    Certificate {
        /// The host and port.
        host: String,
        /// What rustls says.
        reason: String,
    },
    /// No complete answer in time.
    #[error("{host} did not answer in time")]
    TimedOut {
        /// The host and port.
        host: String,
        /// Whether the call could change anything.
        access: Access,
    },
    /// The connection broke before the answer was complete.
    #[error("the connection to {host} broke: {}", root(source))]
    Broken {
        /// The host and port.
        host: String,
        /// Whether the call could change anything.
        access: Access,
        /// What reqwest says.
        source: reqwest::Error,
    },
    /// The answer is larger than we read.
    #[error("{host} answered {status} with more than {} KiB", super::MAX_ANSWER / 1024)]
    TooLarge {
        /// The host and port.
        host: String,
        /// The status, which did arrive.
        status: StatusCode,
        /// Whether the call could change anything.
        access: Access,
    },
}

impl TransportError {
    /// Names a failed exchange by how far it got.
    pub(super) fn of_exchange(base: &Url, access: Access, source: reqwest::Error) -> Self {
        let (host, source) = (host(base), source.without_url());
        if let Some(rustls::Error::InvalidCertificate(reason)) = tls_error(&source) {
            return Self::Certificate { host, reason: reason.to_string() };
        }
        if source.is_connect() {
            return Self::Connect { host, source };
        }
        if source.is_timeout() {
            return Self::TimedOut { host, access };
        }
        Self::Broken { host, access, source }
    }

    pub(crate) fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::BaseUrl { .. } => Diagnosis::new(Class::ConfigurationError, "http_base_url")
                .action("set base_url to an absolute http(s) URL without credentials and query"),
            Self::Setup { .. } => Diagnosis::new(Class::ConfigurationError, "http_setup")
                .action("install root certificates (ca-certificates) and restart the worker"),
            Self::Request { .. } => Diagnosis::new(Class::ConfigurationError, "http_request")
                .action("look for blanks or line breaks in the integration's credentials"),
            Self::NoTurn { waited, .. } => {
                Diagnosis::new(Class::RateLimited { retry_after: Some(*waited) }, NO_TURN)
            }
            Self::Connect { .. } => Diagnosis::new(Class::TransientNetwork, "http_connect"),
            Self::Certificate { host, .. } => {
                Diagnosis::new(Class::ConfigurationError, "http_certificate").action(format!(
                    "check base_url, clock and root certificates: openssl s_client -connect {host}"
                ))
            }
            Self::TimedOut { access, .. } => {
                Diagnosis::new(Class::TransientNetwork, "http_timeout").effect(access.if_lost())
            }
            Self::Broken { access, .. } => {
                Diagnosis::new(Class::TransientNetwork, "http_broken").effect(access.if_lost())
            }
            Self::TooLarge { status, access, .. } => {
                Diagnosis::new(Class::IntegrationOffline, "http_too_large")
                    .effect(too_large(*status, *access))
            }
        }
    }
}

classify_by_diagnosis!(TransportError);

fn too_large(status: StatusCode, access: Access) -> Effect {
    if status.is_success() { access.if_executed() } else { access.if_lost() }
}

/// `host:port`, as it stands in messages.
pub(super) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The innermost cause, which is the one that says something ("connection refused").
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

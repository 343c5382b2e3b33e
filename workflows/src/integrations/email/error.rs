//! What can go wrong between us and a mail server.

use std::error::Error;
use std::io;

use autopilot_engine::{Class, Effect};
use lettre::transport::smtp;

use super::{Reply, Stage};
use crate::integrations::diagnosis::{Diagnosis, classify_by_diagnosis};
use crate::integrations::tls::tls_error;

/// Why the mail server did not let us in. Never with a word of the server's own text.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    /// The port is none on which mail is taken. Nothing was sent.
    #[error("{server} is not a port on which mail servers take mail")]
    Port {
        /// Host and port.
        server: String,
    },
    /// The name has no address at the moment.
    #[error("the mail server {server} cannot be resolved: {source}")]
    Resolve {
        /// Host and port.
        server: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// The name resolves to nothing.
    #[error("the mail server {server} has no address")]
    NoAddress {
        /// Host and port.
        server: String,
    },
    /// The name points into a private network. Nothing was sent.
    #[error("the mail server {server} has an address that is not of the public Internet")]
    PrivateAddress {
        /// Host and port.
        server: String,
    },
    /// No protection was asked for, and the server is not on this machine. Nothing was sent.
    #[error("the mail server {server} would get the password unencrypted")]
    Plaintext {
        /// Host and port.
        server: String,
    },
    /// No answer in time.
    #[error("the mail server {server} did not answer in time, during {stage}")]
    TimedOut {
        /// Host and port.
        server: String,
        /// How far we had come.
        stage: Stage,
    },
    /// Not connected, or the connection broke.
    #[error("the connection to the mail server {server} failed, during {stage}: {kind}")]
    Network {
        /// Host and port.
        server: String,
        /// How far we had come.
        stage: Stage,
        /// What the system says.
        kind: io::ErrorKind,
    },
    /// The server has no valid certificate for its name.
    #[error("the mail server {server} has no valid TLS certificate: {reason}")]
    Certificate {
        /// Host and port.
        server: String,
        /// What rustls says.
        reason: String,
    },
    /// The server does not speak TLS where we began with it.
    #[error("the mail server {server} does not speak TLS here")]
    NotTls {
        /// Host and port.
        server: String,
    },
    /// STARTTLS is required and not offered.
    #[error("the mail server {server} does not offer STARTTLS")]
    NoStartTls {
        /// Host and port.
        server: String,
    },
    /// We have credentials, and the server offers no login that we know.
    #[error("the mail server {server} offers no password login")]
    NoLogin {
        /// Host and port.
        server: String,
    },
    /// The server said no.
    #[error("the mail server {server} refused {stage}: {reply}")]
    Refused {
        /// Host and port.
        server: String,
        /// How far we had come.
        stage: Stage,
        /// Its reply.
        reply: Reply,
    },
    /// The server closed early, or does not speak SMTP.
    #[error("{server} does not answer as a mail server does, during {stage}")]
    Protocol {
        /// Host and port.
        server: String,
        /// How far we had come.
        stage: Stage,
    },
}

const TLS_MODE: &str =
    "choose implicit TLS for port 465 and STARTTLS for port 587, as the mail provider says";

impl EmailError {
    pub(super) fn of_smtp(server: String, stage: Stage, error: smtp::Error) -> Self {
        if let Some(code) = error.status() {
            let text = error.source().map(ToString::to_string).unwrap_or_default();
            let reply = Reply { code: code.into(), enhanced: text.parse().ok() };
            return Self::Refused { server, stage, reply };
        }
        match tls_error(&error) {
            Some(rustls::Error::InvalidCertificate(reason)) => {
                return Self::Certificate { server, reason: reason.to_string() };
            }
            Some(_) => return Self::NotTls { server },
            None => {}
        }
        match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(io) => Self::Network { server, stage, kind: io.kind() },
            None if error.is_tls() => Self::NotTls { server },
            None => Self::Protocol { server, stage },
        }
    }

    pub(crate) fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::Port { .. } => {
                Diagnosis::new(Class::ConfigurationError, "smtp_port").action(TLS_MODE)
            }
            Self::Resolve { .. } => Diagnosis::new(Class::TransientNetwork, "smtp_resolve"),
            Self::NoAddress { .. } => Diagnosis::new(Class::ConfigurationError, "smtp_no_address")
                .action("check the mail server's host name"),
            Self::PrivateAddress { .. } => {
                Diagnosis::new(Class::ConfigurationError, "smtp_private_address")
                    .action("set a mail server that the public Internet can reach")
            }
            Self::Plaintext { .. } => {
                Diagnosis::new(Class::ConfigurationError, "smtp_plaintext").action(TLS_MODE)
            }
            Self::TimedOut { stage, .. } => {
                Diagnosis::new(Class::TransientNetwork, "smtp_timeout").effect(if_lost(*stage))
            }
            Self::Network { stage, .. } => {
                Diagnosis::new(Class::TransientNetwork, "smtp_network").effect(if_lost(*stage))
            }
            Self::Certificate { .. } => {
                Diagnosis::new(Class::ConfigurationError, "smtp_certificate")
                    .action("set the host name that stands in the mail server's certificate")
            }
            Self::NotTls { .. } => {
                Diagnosis::new(Class::ConfigurationError, "smtp_not_tls").action(TLS_MODE)
            }
            Self::NoStartTls { .. } => {
                Diagnosis::new(Class::ConfigurationError, "smtp_no_starttls").action(TLS_MODE)
            }
            Self::NoLogin { .. } => Diagnosis::new(Class::ConfigurationError, "smtp_no_login")
                .action(
                    "use the provider's submission port (465 or 587) and enable password login",
                ),
            Self::Refused { stage, reply, .. } => reply.diagnosis(*stage),
            Self::Protocol { stage, .. } => {
                Diagnosis::new(Class::IntegrationOffline, "smtp_protocol").effect(if_lost(*stage))
            }
        }
    }
}

classify_by_diagnosis!(EmailError);

/// Only a message that was being handed over may have gone out.
const fn if_lost(stage: Stage) -> Effect {
    match stage {
        Stage::Connect | Stage::StartTls | Stage::LogIn | Stage::Probe => Effect::None,
        Stage::Message => Effect::Unknown,
    }
}

//! What can go wrong when Meta is asked.

use std::time::Duration;

use autopilot_engine::Class;
use reqwest::StatusCode;
use serde::Deserialize;

use super::Meaning;
use crate::integrations::diagnosis::{Diagnosis, classify_by_diagnosis};
use crate::integrations::http::{
    Access, Answer, TransportError, Unreadable, diagnose_status, excerpt,
};

/// Why a call to Meta did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum WhatsAppError {
    /// No complete answer.
    #[error("WhatsApp: {0}")]
    Transport(#[from] TransportError),
    /// Meta refused, or failed, with a code of its own.
    #[error("WhatsApp did not {operation}: {message} (code {code}, HTTP {status})")]
    Graph {
        /// What we wanted.
        operation: &'static str,
        /// Meta's code; [`Meaning::of`] says what it means.
        code: u32,
        /// The HTTP status.
        status: StatusCode,
        /// Whether the call could change anything.
        access: Access,
        /// How long to wait, if the answer said so.
        retry_after: Option<Duration>,
        /// Meta's own sentence, unless it may quote the token.
        message: String,
    },
    /// An answer that is not Meta's own, such as a proxy's page.
    #[error("WhatsApp did not {operation}: HTTP {status} without a Graph error")]
    Status {
        /// What we wanted.
        operation: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// Whether the call could change anything.
        access: Access,
        /// How long to wait, if the answer said so.
        retry_after: Option<Duration>,
    },
    /// Meta did it, but its answer cannot be read.
    #[error("WhatsApp's answer to \"{operation}\" cannot be read: {source}")]
    Unreadable {
        /// What we wanted.
        operation: &'static str,
        /// Where it cannot be read.
        source: Unreadable,
        /// Whether the call could change anything.
        access: Access,
    },
    /// Meta answered that it did not do it, without an error.
    #[error("WhatsApp did not {operation}, and does not say why")]
    NotDone {
        /// What we wanted.
        operation: &'static str,
    },
}

#[derive(Deserialize)]
struct Body {
    error: BodyError,
}

#[derive(Deserialize)]
struct BodyError {
    code: u32,
    #[serde(default)]
    message: Option<String>,
}

impl WhatsAppError {
    pub(super) fn of_answer(operation: &'static str, answer: &Answer) -> Self {
        let (status, access, retry_after) = (answer.status, answer.access, answer.retry_after());
        let Ok(Body { error: BodyError { code, message } }) = answer.json() else {
            return Self::Status { operation, status, access, retry_after };
        };
        let message = if Meaning::of(code) == Meaning::Token {
            // "Malformed access token EAAB…": here Meta quotes what we sent.
            "the access token was refused".to_owned()
        } else {
            excerpt(message.as_deref().unwrap_or("no message"))
        };
        Self::Graph { operation, code, status, access, retry_after, message }
    }

    /// What Meta's code means, if there is one.
    #[must_use]
    pub const fn meaning(&self) -> Option<Meaning> {
        match self {
            Self::Graph { code, .. } => Some(Meaning::of(*code)),
            Self::Transport(_)
            | Self::Status { .. }
            | Self::Unreadable { .. }
            | Self::NotDone { .. } => None,
        }
    }

    pub(crate) fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::Transport(error) => error.diagnosis(),
            Self::Graph { code, status, access, retry_after, .. } => {
                diagnose_code(*code, *status, *access, *retry_after)
            }
            Self::Status { status, access, retry_after, .. } => {
                diagnose_status("whatsapp", *status, *access, *retry_after)
            }
            Self::Unreadable { access, .. } => {
                Diagnosis::new(Class::IntegrationOffline, "whatsapp_unreadable")
                    .effect(access.if_executed())
            }
            Self::NotDone { .. } => Diagnosis::new(Class::ProvisioningError, "whatsapp_not_done")
                .action("do it by hand in WhatsApp Manager, then resume the run"),
        }
    }
}

classify_by_diagnosis!(WhatsAppError);

/// A refusal (4xx) was not executed; a server error may have been, whatever its code.
fn diagnose_code(
    code: u32,
    status: StatusCode,
    access: Access,
    retry_after: Option<Duration>,
) -> Diagnosis {
    let (name, meaning) = (format!("whatsapp_{code}"), Meaning::of(code));
    let unknown = meaning == Meaning::Unknown;
    let diagnosis = if unknown && status.is_server_error() {
        Diagnosis::new(Class::IntegrationOffline, name)
    } else if unknown && status == StatusCode::TOO_MANY_REQUESTS {
        Diagnosis::new(Class::RateLimited { retry_after }, name)
    } else {
        meaning.diagnosis(name, retry_after)
    };
    if status.is_server_error() { diagnosis.effect(access.if_lost()) } else { diagnosis }
}

//! What OpenAI's errors mean. A 429 is two things, which the code tells apart: too fast, and out of money.

use std::time::Duration;

use autopilot_engine::Class;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::integrations::diagnosis::{Diagnosis, classify_by_diagnosis};
use crate::integrations::http::{
    Access, Answer, TransportError, Unreadable, diagnose_status, excerpt,
};

/// Why a call to OpenAI did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum OpenAiError {
    /// No complete answer.
    #[error("OpenAI: {0}")]
    Transport(#[from] TransportError),
    /// OpenAI refused, or failed, and explained it.
    #[error("OpenAI did not {operation}: {message} ({code}, HTTP {status})")]
    Api {
        /// What we wanted.
        operation: &'static str,
        /// The code, or the kind where there is none.
        code: String,
        /// The HTTP status.
        status: StatusCode,
        /// How long to wait, if the answer said so.
        retry_after: Option<Duration>,
        /// OpenAI's own sentence, unless it may quote the key.
        message: String,
    },
    /// An answer that is not OpenAI's own, such as a proxy's page.
    #[error("OpenAI did not {operation}: HTTP {status} without an OpenAI error")]
    Status {
        /// What we wanted.
        operation: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// How long to wait, if the answer said so.
        retry_after: Option<Duration>,
    },
    /// OpenAI did it, but its answer cannot be read.
    #[error("OpenAI's answer to \"{operation}\" cannot be read: {source}")]
    Unreadable {
        /// What we wanted.
        operation: &'static str,
        /// Where it cannot be read.
        source: Unreadable,
    },
    /// A text came, and must not be sent.
    #[error("OpenAI wrote no text that can be sent: {0}")]
    Unusable(Unusable),
}

/// Why a text must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is none.
    #[error("it is empty")]
    Empty,
    /// It ends in the middle.
    #[error("it was cut off at the limit of tokens")]
    CutOff,
    /// It was withheld.
    #[error("OpenAI's filter withheld it")]
    Filtered,
    /// The model would not.
    #[error("the model refused")]
    Refused,
    /// It ended for another reason.
    #[error("the model did not finish it")]
    Unfinished,
}

#[derive(Deserialize)]
struct Body {
    error: BodyError,
}

#[derive(Deserialize)]
struct BodyError {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    /// Text with OpenAI, a number with some others.
    #[serde(default)]
    code: serde_json::Value,
    #[serde(default)]
    message: Option<String>,
}

/// What means that the account has no money left, or was given none to spend.
const OUT_OF_MONEY: [&str; 5] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
];

/// OpenAI asks for longer pauses than a blink when it is overloaded, and says no more than that.
const OVERLOADED: Duration = Duration::from_secs(30);

impl OpenAiError {
    pub(super) fn of_answer(operation: &'static str, answer: &Answer) -> Self {
        let (status, retry_after) = (answer.status, wait(answer));
        let Ok(Body { error: BodyError { kind, code, message } }) = answer.json() else {
            return Self::Status { operation, status, retry_after };
        };
        let code = match code {
            serde_json::Value::String(code) => Some(code),
            serde_json::Value::Number(code) => Some(code.to_string()),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => None,
        };
        // The kind names the family where the code is new.
        let is_quota = kind.as_deref() == Some("insufficient_quota");
        let code = if is_quota { kind } else { code.or(kind) };
        let message = if status == StatusCode::UNAUTHORIZED {
            // "Incorrect API key provided: sk-…": here it quotes what we sent.
            "the key was refused".to_owned()
        } else {
            excerpt(message.as_deref().unwrap_or("no message"))
        };
        let code = excerpt(&code.unwrap_or_else(|| format!("http_{}", status.as_u16())));
        Self::Api { operation, code, status, retry_after, message }
    }

    pub(crate) fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::Transport(error) => error.diagnosis(),
            Self::Api { code, status, retry_after, .. } => diagnose(code, *status, *retry_after),
            // A text that was written and lost harms nobody: it is written again.
            Self::Status { status, retry_after, .. } => {
                diagnose_status("openai", *status, Access::Read, *retry_after)
            }
            Self::Unreadable { .. } => {
                Diagnosis::new(Class::IntegrationOffline, "openai_unreadable")
            }
            Self::Unusable(_) => Diagnosis::new(Class::ProvisioningError, "openai_unusable")
                .action("the fixed text is sent instead; look at the prompt if it happens often"),
        }
    }
}

classify_by_diagnosis!(OpenAiError);

fn diagnose(code: &str, status: StatusCode, retry_after: Option<Duration>) -> Diagnosis {
    let class = |class| Diagnosis::new(class, format!("openai_{code}"));
    match status.as_u16() {
        401 => class(Class::ThirdPartyAuthFailed)
            .action("compare OPENAI_API_KEY with the key in OpenAI's dashboard"),
        403 => class(Class::ThirdPartyAuthFailed)
            .action("give the key the right that the message names, or call from a country that OpenAI serves"),
        429 if OUT_OF_MONEY.contains(&code) => class(Class::ProvisioningError)
            .action("OpenAI's account is out of money or at its spending limit: raise either"),
        429 => class(Class::RateLimited { retry_after }),
        503 if code == "server_is_overloaded" || code == "slow_down" => {
            class(Class::RateLimited { retry_after: retry_after.or(Some(OVERLOADED)) })
        }
        408 | 409 => class(Class::TransientNetwork),
        500.. => class(Class::IntegrationOffline),
        404 => class(Class::ConfigurationError)
            .action("set openai.model to one that this key may use"),
        _ => class(Class::ConfigurationError)
            .action("the request has to be corrected; the message names the parameter"),
    }
}

/// OpenAI says how long to wait in milliseconds as well, which is nearer.
fn wait(answer: &Answer) -> Option<Duration> {
    let millis = answer.header("retry-after-ms").and_then(|text| text.trim().parse().ok());
    millis.map(Duration::from_millis).or_else(|| answer.retry_after())
}

//! What Stripe's errors mean.

use std::fmt;
use std::time::Duration;

use autopilot_engine::Class;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::integrations::diagnosis::{Diagnosis, classify_by_diagnosis};
use crate::integrations::http::{Access, Answer, TransportError, diagnose_status, excerpt};

/// Why a call to Stripe did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// No complete answer.
    #[error("Stripe: {0}")]
    Transport(#[from] TransportError),
    /// Stripe refused, or failed, and explained it.
    #[error("Stripe: {0}")]
    Api(Box<Explanation>),
    /// An answer that is not Stripe's own, such as a proxy's page.
    #[error("Stripe answered HTTP {status} without a Stripe error{}", RequestId(request_id))]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// Whether the call could change anything.
        access: Access,
        /// How long to wait, if the answer said so.
        retry_after: Option<Duration>,
        /// Stripe's name for the request, if it reached Stripe.
        request_id: Option<String>,
    },
    /// Stripe did it, but its answer cannot be read.
    #[error("Stripe's answer cannot be read: {problem}")]
    Unreadable {
        /// What is wrong with it.
        problem: String,
        /// Whether the call could change anything.
        access: Access,
    },
    /// A subscription has a status that this version does not know.
    #[error(
        "subscription {subscription} has the status {status:?}, which this version does not know"
    )]
    UnknownStatus {
        /// Its id.
        subscription: String,
        /// The status.
        status: String,
    },
    /// A request asked for a retry inside the process. Nothing was sent.
    #[error("a Stripe request asked for in-process retries, which would send it without a key")]
    HiddenRetry,
}

/// What Stripe says about an error, in its body and in the headers around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The HTTP status.
    pub status: StatusCode,
    /// The kind: `api_error`, `card_error`, `idempotency_error` or `invalid_request_error`.
    pub kind: String,
    /// The code, such as `resource_missing`.
    pub code: Option<String>,
    /// The parameter that is wrong.
    pub param: Option<String>,
    /// Stripe's own sentence.
    pub message: String,
    /// Stripe's name for the request; their support asks for it.
    pub request_id: Option<String>,
    /// What Stripe advises about a repetition (`Stripe-Should-Retry`).
    pub should_retry: Option<bool>,
    /// Which limit was hit (`Stripe-Rate-Limited-Reason`).
    pub rate_limited_reason: Option<String>,
    /// How long Stripe asks to wait. It documents none, so this is rare.
    pub retry_after: Option<Duration>,
    /// Whether the call could change anything.
    pub access: Access,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.as_deref().unwrap_or(&self.kind);
        let id = RequestId(&self.request_id);
        write!(f, "{} ({code}, HTTP {}{id})", self.message, self.status.as_u16())
    }
}

struct RequestId<'a>(&'a Option<String>);

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, ", request {id}"),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Body {
    error: BodyError,
}

#[derive(Deserialize)]
struct BodyError {
    #[serde(rename = "type")]
    kind: String,
    code: Option<String>,
    param: Option<String>,
    message: Option<String>,
}

const KEY: &str = "compare the secret key with Stripe's dashboard and set it anew";
const RIGHT: &str = "give the restricted key the right that the message names";
const REQUEST: &str = "the request has to be corrected; the message names the parameter";

impl StripeError {
    pub(super) fn of_answer(answer: &Answer) -> Self {
        let (status, access, retry_after) = (answer.status, answer.access, answer.retry_after());
        let request_id = answer.header("request-id").map(str::to_owned);
        let Ok(Body { error }) = answer.json() else {
            return Self::Status { status, access, retry_after, request_id };
        };
        Self::Api(Box::new(Explanation {
            status,
            kind: error.kind,
            code: error.code,
            param: error.param,
            message: excerpt(error.message.as_deref().unwrap_or("no message")),
            request_id,
            should_retry: answer.header("stripe-should-retry").and_then(|text| text.parse().ok()),
            rate_limited_reason: answer.header("stripe-rate-limited-reason").map(str::to_owned),
            retry_after,
            access,
        }))
    }

    /// The same error, known to have happened while reading.
    pub(super) fn of_a_read(self) -> Self {
        match self {
            Self::Unreadable { problem, access: _ } => {
                Self::Unreadable { problem, access: Access::Read }
            }
            Self::Transport(_)
            | Self::Api(_)
            | Self::Status { .. }
            | Self::UnknownStatus { .. }
            | Self::HiddenRetry => self,
        }
    }

    pub(crate) fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::Transport(error) => error.diagnosis(),
            Self::Api(explanation) => explanation.diagnosis(),
            Self::Status { status, access, retry_after, .. } => {
                diagnose_status("stripe", *status, *access, *retry_after)
            }
            Self::Unreadable { access, .. } => {
                Diagnosis::new(Class::IntegrationOffline, "stripe_unreadable")
                    .effect(access.if_executed())
            }
            Self::UnknownStatus { .. } => {
                Diagnosis::new(Class::ConfigurationError, "stripe_unknown_status").action(
                    "update the worker: Stripe has a status that this version does not know",
                )
            }
            Self::HiddenRetry => Diagnosis::new(Class::ConfigurationError, "stripe_hidden_retry")
                .action("use RequestStrategy::Idempotent with the step's key"),
        }
    }
}

classify_by_diagnosis!(StripeError);

impl Explanation {
    fn diagnosis(&self) -> Diagnosis {
        let class = |class| {
            let name = self.code.as_deref().unwrap_or(&self.kind);
            Diagnosis::new(class, format!("stripe_{name}"))
        };
        let (limited, param) =
            (Class::RateLimited { retry_after: self.retry_after }, self.param.as_deref());
        match (self.status.as_u16(), self.code.as_deref(), self.kind.as_str()) {
            (401, _, _) => class(Class::ThirdPartyAuthFailed).action(KEY),
            (403, _, _) => class(Class::ThirdPartyAuthFailed).action(RIGHT),
            (402, _, _) => class(Class::ProvisioningError)
                .action("the customer has to settle the payment: the message says why it failed"),
            (400 | 404, Some("resource_missing"), _) if param == Some("customer") => {
                class(Class::ProvisioningError)
                    .action("the customer is gone or of another account: check the customer id")
            }
            // An object that somebody else is changing: gone in a moment, and not a limit of ours.
            (429, Some("lock_timeout"), _) if self.rate_limited_reason.is_none() => {
                class(Class::TransientNetwork)
            }
            (429, _, _) => class(limited),
            (400, _, "idempotency_error") => class(Class::ConfigurationError)
                .action("derive the key from the whole request: this one was used for another"),
            (409, _, _) if self.should_retry != Some(false) => class(Class::TransientNetwork),
            (500.., _, _) => class(Class::IntegrationOffline).effect(self.access.if_lost()),
            // Where the status says nothing else, Stripe's own advice decides.
            (_, _, _) if self.should_retry == Some(true) => class(Class::TransientNetwork),
            (_, _, _) => class(Class::ConfigurationError).action(REQUEST),
        }
    }
}

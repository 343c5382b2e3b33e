//! Why an attempt stopped: the seven error classes, what is known of the effect, and the four ways to stop.
//!
//! An error is classified once, where it is born, by one exhaustive `match` in [`Classify`]. The class
//! then feeds the retry delay, the operator's view and the alert; nobody reads an error's text again.

mod database;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The result of a step or of a whole run.
pub type Result<T = ()> = std::result::Result<T, Stop>;

/// What kind of trouble an error is, and therefore what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Class {
    /// The network failed before or during the call. Retried with backoff.
    TransientNetwork,
    /// The provider asked us to slow down. Retried, after `retry_after` where the provider named it.
    RateLimited {
        /// How long the provider asked us to wait, as it said it; the retry policy caps it.
        retry_after: Option<Duration>,
    },
    /// The provider answers, but is out of order (5xx, maintenance). Retried with backoff.
    IntegrationOffline,
    /// The credentials were refused. A person must act, so it is never retried by itself.
    ThirdPartyAuthFailed,
    /// Our own configuration or request is wrong. Never retried by itself.
    ConfigurationError,
    /// The provider understood and said no (sold out, documents missing, card declined). Never retried by itself.
    ProvisioningError,
    /// The call may or may not have taken effect and nobody can be asked. Waits for review, never guessed.
    UnknownOutcome,
}

impl Class {
    /// The stable name, as it stands in rows, in JSON and on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TransientNetwork => "TRANSIENT_NETWORK",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::IntegrationOffline => "INTEGRATION_OFFLINE",
            Self::ThirdPartyAuthFailed => "THIRD_PARTY_AUTH_FAILED",
            Self::ConfigurationError => "CONFIGURATION_ERROR",
            Self::ProvisioningError => "PROVISIONING_ERROR",
            Self::UnknownOutcome => "UNKNOWN_OUTCOME",
        }
    }

    /// Whether another attempt can help without anybody doing anything.
    #[must_use]
    pub const fn retries(&self) -> bool {
        match self {
            Self::TransientNetwork | Self::RateLimited { .. } | Self::IntegrationOffline => true,
            Self::ThirdPartyAuthFailed
            | Self::ConfigurationError
            | Self::ProvisioningError
            | Self::UnknownOutcome => false,
        }
    }

    /// Whether it is a sign that the other side is out of order: what a circuit breaker counts. Whoever asks us to slow down is there, and
    /// so is whoever refuses us.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        match self {
            Self::TransientNetwork | Self::IntegrationOffline => true,
            Self::RateLimited { .. }
            | Self::ThirdPartyAuthFailed
            | Self::ConfigurationError
            | Self::ProvisioningError
            | Self::UnknownOutcome => false,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known of a failed call's effect on the other side, apart from its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing happened: the request never left, or was refused before it was executed.
    None,
    /// It happened, but its answer was lost or unreadable. Look it up, never repeat it blindly.
    Executed,
    /// Nobody knows. Repeat it under the same key, or look it up first.
    Unknown,
}

impl Effect {
    /// The stable name, as it stands in rows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Executed => "executed",
            Self::Unknown => "unknown",
        }
    }
}

/// A classified error, as it is stored with the step and shown to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of trouble it is.
    #[serde(flatten)]
    pub class: Class,
    /// A stable code for machines, such as `http_timeout` or `database_23505`.
    pub code: Cow<'static, str>,
    /// One sentence for people: what happened, where. Never a secret, never a body.
    pub message: String,
    /// The exact next action, where one is known: a command or a setting.
    pub action: Option<String>,
    /// What is known of the effect on the other side.
    pub effect: Effect,
}

impl Failure {
    /// A failure of `class` with no effect on the other side.
    #[must_use]
    pub fn new(
        class: Class,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
            action: None,
            effect: Effect::None,
        }
    }

    /// Adds the exact next action: a command or a setting.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Says what is known of the effect on the other side.
    #[must_use]
    pub const fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.class, self.code, self.message)
    }
}

/// An error that knows its class. Each integration implements it once, with one exhaustive `match`.
pub trait Classify: std::error::Error {
    /// The class, which decides what happens next.
    fn class(&self) -> Class;

    /// A stable code for machines; unique within the integration.
    fn code(&self) -> Cow<'static, str>;

    /// What is known of the effect on the other side.
    fn effect(&self) -> Effect {
        Effect::None
    }

    /// The exact next action for an operator, where one is known.
    fn action(&self) -> Option<String> {
        None
    }
}

impl<E: Classify> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            class: error.class(),
            code: error.code(),
            message: error.to_string(),
            action: error.action(),
            effect: error.effect(),
        }
    }
}

/// Why a step or an attempt did not go on.
///
/// `?` carries it up to the engine, which is the only one to act on it.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// Something went wrong.
    Failed(Failure),
    /// The step cannot be done here and now by configuration; the reason is shown to the operator.
    Skipped {
        /// What is missing and how to supply it.
        reason: String,
    },
    /// The step waits for somebody else (an approval, a person); the run goes on with what does not need it.
    Waiting(Wait),
    /// The attempt ends here on purpose and goes on later: a sleep, or steps that still wait.
    Parked,
    /// The attempt was superseded or cancelled: nothing it does counts any more.
    Lost,
}

/// What a waiting step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The name of the event that wakes it, for example `papers.approved/42`.
    pub event: String,
    /// After how long to look again even if the event never comes, by the database's clock.
    pub look_again: Duration,
    /// One sentence for the operator: who has to do what.
    pub reason: String,
}

impl Stop {
    /// The step cannot be done by configuration; say what is missing and how to supply it.
    #[must_use]
    pub fn skip(reason: impl Into<String>) -> Self {
        Self::Skipped { reason: reason.into() }
    }
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

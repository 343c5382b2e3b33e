//! What Twilio's errors mean. They are told apart by `code`; the status only decides where there is
//! none.

use std::time::Duration;

use autopilot_engine::Class;
use reqwest::StatusCode;
use serde::Deserialize;

use super::AccountStatus;
use crate::integrations::diagnosis::{Diagnosis, classify_by_diagnosis};
use crate::integrations::http::{
    Access, Answer, TransportError, Unreadable, diagnose_status, excerpt,
};

/// Why a call to Twilio did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum TwilioError {
    /// No complete answer.
    #[error("Twilio: {0}")]
    Transport(#[from] TransportError),
    /// Somebody else has the number by now (21422). Not a failure: try the next candidate.
    #[error("the number is not available any more (21422): {message}")]
    NumberTaken {
        /// Twilio's own sentence.
        message: String,
    },
    /// Twilio refused, or failed, with a code of its own.
    #[error("Twilio did not {operation}: {message} (code {code}, HTTP {status})")]
    Api {
        /// What we wanted.
        operation: &'static str,
        /// Twilio's code; its page is twilio.com/docs/api/errors/ and this number.
        code: u32,
        /// The HTTP status.
        status: StatusCode,
        /// Whether the call could change anything.
        access: Access,
        /// How long Twilio asks to wait.
        retry_after: Option<Duration>,
        /// Twilio's own sentence.
        message: String,
    },
    /// An answer that is not Twilio's own, such as a proxy's page.
    #[error("Twilio did not {operation}: HTTP {status} without a Twilio error")]
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
    /// Twilio did it, but its answer cannot be read.
    #[error("Twilio's answer to \"{operation}\" cannot be read: {source}")]
    Unreadable {
        /// What we wanted.
        operation: &'static str,
        /// Where it cannot be read.
        source: Unreadable,
        /// Whether the call could change anything.
        access: Access,
    },
    /// What follows a page is said to be elsewhere than at the same account.
    #[error("Twilio did not {operation} to the end: the next page is not one of the same account")]
    Page {
        /// What we wanted.
        operation: &'static str,
    },
    /// The balance is not a decimal number.
    #[error("Twilio's balance is not a decimal number")]
    Balance,
    /// The main account may not be used.
    #[error("the main Twilio account is {status}")]
    MainAccount {
        /// What it is instead of active.
        status: AccountStatus,
    },
    /// The friendly name cannot be used. Nothing was sent.
    #[error(
        "a Twilio friendly name has 1 to {} characters, this one has {length}",
        super::MAX_FRIENDLY_NAME
    )]
    FriendlyName {
        /// How many characters it has.
        length: usize,
    },
}

#[derive(Deserialize)]
struct Body {
    code: u32,
    #[serde(default)]
    message: Option<String>,
}

const ACCOUNT_INACTIVE: &str =
    "look at the main account's balance and notices in the Twilio console";

impl TwilioError {
    pub(super) fn of_answer(operation: &'static str, answer: &Answer) -> Self {
        let (status, access, retry_after) = (answer.status, answer.access, answer.retry_after());
        let Ok(Body { code, message }) = answer.json() else {
            return Self::Status { operation, status, access, retry_after };
        };
        let message = excerpt(message.as_deref().unwrap_or("no message"));
        match code {
            21422 => Self::NumberTaken { message },
            _ => Self::Api { operation, code, status, access, retry_after, message },
        }
    }

    /// Whether the account that was asked about is not there any more, or is closed or suspended (20404, 20005, 10001).
    #[must_use]
    pub const fn is_account_gone(&self) -> bool {
        matches!(self, Self::Api { code: 20404 | 20005 | 10001, .. })
    }

    /// Whether Twilio says that there is no such thing (20404).
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Api { code: 20404, .. })
    }

    pub(crate) fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::Transport(error) => error.diagnosis(),
            Self::NumberTaken { .. } => Diagnosis::new(Class::ProvisioningError, "twilio_21422")
                .action("run the step again: it searches for new candidates"),
            Self::Api { code, status, access, retry_after, .. } => {
                diagnose_code(*code, *status, *access, *retry_after)
            }
            Self::Status { status, access, retry_after, .. } => {
                diagnose_status("twilio", *status, *access, *retry_after)
            }
            Self::Unreadable { access, .. } => {
                Diagnosis::new(Class::IntegrationOffline, "twilio_unreadable")
                    .effect(access.if_executed())
            }
            Self::Balance | Self::Page { .. } => {
                Diagnosis::new(Class::IntegrationOffline, "twilio_unreadable")
            }
            Self::MainAccount { .. } => {
                Diagnosis::new(Class::IntegrationOffline, "twilio_account_inactive")
                    .action(ACCOUNT_INACTIVE)
            }
            Self::FriendlyName { .. } => {
                Diagnosis::new(Class::ConfigurationError, "twilio_friendly_name")
                    .action("shorten the friendly name")
            }
        }
    }
}

classify_by_diagnosis!(TwilioError);

fn diagnose_code(
    code: u32,
    status: StatusCode,
    access: Access,
    retry_after: Option<Duration>,
) -> Diagnosis {
    let class = |class| Diagnosis::new(class, format!("twilio_{code}"));
    match code {
        20003 => class(Class::ThirdPartyAuthFailed)
            .action("compare account SID and auth token with the Twilio console"),
        20005 | 10001 | 90010 => class(Class::IntegrationOffline).action(ACCOUNT_INACTIVE),
        10002 => class(Class::ProvisioningError).action(
            "the main account is on trial: upgrade it in the Twilio console, then resume the run",
        ),
        20429 => class(Class::RateLimited { retry_after }),
        20404 => class(Class::ProvisioningError)
            .action("it was deleted outside: run the provisioning again, which makes it anew"),
        21480 => class(Class::ProvisioningError)
            .action("have Twilio raise the limit of subaccounts, then resume the run"),
        21452 => class(Class::ProvisioningError)
            .action("no number is to be had in this area: choose another country or area"),
        21421 => class(Class::ConfigurationError)
            .action("correct the number: Twilio cannot sell this one"),
        21451 | 21457 => class(Class::ConfigurationError)
            .action("area codes exist in the US and Canada only: do not send AreaCode"),
        21628 => class(Class::ConfigurationError)
            .action("validate the address in the Twilio console, or set the SID of one that is"),
        21613 | 21631 => class(Class::ProvisioningError)
            .action("register the studio's address, set its address SID, then resume the run"),
        21649 => class(Class::ProvisioningError)
            .action("have a regulatory bundle approved, set its bundle SID, then resume the run"),
        _ => match status.as_u16() {
            429 => class(Class::RateLimited { retry_after }),
            401 | 403 => class(Class::ThirdPartyAuthFailed)
                .action(format!("check the account's rights: twilio.com/docs/api/errors/{code}")),
            400..=499 => class(Class::ConfigurationError)
                .action(format!("correct the request: twilio.com/docs/api/errors/{code}")),
            _ => class(Class::IntegrationOffline).effect(access.if_lost()),
        },
    }
}

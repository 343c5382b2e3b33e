//! The providers that the sandbox stands in for.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::exchange::{Answer, Exchange, Route};
use crate::state::State;
use crate::{openai, stripe, twilio, whatsapp};

/// A provider that the sandbox stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Payments.
    Stripe,
    /// Phone numbers and subaccounts.
    Twilio,
    /// The WhatsApp Cloud API.
    Whatsapp,
    /// Chat completions.
    Openai,
    /// Mail. Spoken on its own port; the HTTP server answers 404 for it.
    Smtp,
}

impl fmt::Display for Provider {
    /// As it stands in JSON.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stripe => "stripe",
            Self::Twilio => "twilio",
            Self::Whatsapp => "whatsapp",
            Self::Openai => "openai",
            Self::Smtp => "smtp",
        })
    }
}

impl Provider {
    /// Names the operation that a request asks for, for the ledger.
    pub(crate) fn route(self, state: &State, request: &Exchange) -> Route {
        match self {
            Self::Stripe => stripe::route(state, request),
            Self::Twilio => twilio::route(state, request),
            Self::Whatsapp => whatsapp::route(request),
            Self::Openai => openai::route(request),
            Self::Smtp => Route::new("smtp.unknown"),
        }
    }

    /// Answers a request, and changes the state as the provider would.
    pub(crate) fn answer(self, state: &mut State, request: &Exchange) -> Answer {
        match self {
            Self::Stripe => stripe::answer(state, request),
            Self::Twilio => twilio::answer(state, request),
            Self::Whatsapp => whatsapp::answer(state, request),
            Self::Openai => openai::answer(state, request),
            Self::Smtp => Answer::text(404, "mail is spoken on the SMTP port"),
        }
    }

    /// The provider's error answer for a status that a fault asks for.
    pub(crate) fn failure(self, status: u16) -> Answer {
        match self {
            Self::Stripe => stripe::failure(status),
            Self::Twilio => twilio::failure(status),
            Self::Whatsapp => whatsapp::failure(status),
            Self::Openai => openai::failure(status),
            Self::Smtp => Answer::text(status, "scripted failure"),
        }
    }
}

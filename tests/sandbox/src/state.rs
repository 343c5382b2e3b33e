//! What the providers remember, for as long as the sandbox runs.

use uuid::Uuid;

use crate::Options;
use crate::options::Credentials;
use crate::stripe::StripeState;
use crate::twilio::TwilioState;
use crate::whatsapp::WhatsappState;

/// Everything that a request may read or change. One lock guards it, so each request takes effect
/// as a whole, in the order that the ledger shows.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) credentials: Credentials,
    pub(crate) completion: String,
    pub(crate) stripe: StripeState,
    pub(crate) twilio: TwilioState,
    pub(crate) whatsapp: WhatsappState,
}

impl State {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            credentials: options.credentials.clone(),
            completion: options.completion.clone(),
            stripe: StripeState::default(),
            twilio: TwilioState::new(options),
            whatsapp: WhatsappState::default(),
        }
    }
}

/// A fresh identifier: the prefix and 32 hexadecimal digits that grow with time.
pub(crate) fn fresh_id(prefix: &str) -> String {
    format!("{prefix}{}", Uuid::now_v7().simple())
}

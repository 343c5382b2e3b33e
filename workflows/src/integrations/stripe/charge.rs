//! Who paid.

use serde::Deserialize;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::wire::Options;
use super::{Stripe, StripeError};
use crate::integrations::http::{Access, Unreadable};

#[derive(Deserialize)]
struct Charge {
    customer: Option<String>,
}

impl Stripe {
    /// The customer who paid a charge; none where the payer has no account.
    ///
    /// # Errors
    ///
    /// See [`StripeError`]. Safe to repeat.
    pub async fn payer_of(&self, charge: &str) -> Result<Option<String>, StripeError> {
        // An id is letters, digits and underscores: nothing else may stand in a path.
        let id: String =
            charge.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let request = RequestBuilder::new(StripeMethod::Get, format!("/charges/{id}"));
        let body = self.call(request, Options::default()).await?;
        match serde_json::from_slice::<Charge>(&body) {
            Ok(charge) => Ok(charge.customer),
            Err(error) => Err(StripeError::Unreadable {
                problem: Unreadable::from(&error).to_string(),
                access: Access::Read,
            }),
        }
    }
}

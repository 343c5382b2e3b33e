//! What providers tell us: recorded first, in one transaction with the job that acts on it, then acted on.

pub mod account_gaps;
mod delivery;
pub mod forget;
#[cfg(test)]
mod fuzz;
pub mod replay;
pub mod route_again;
pub mod stripe;
mod stripe_checkout;
pub mod stripe_event;
pub mod stripe_gaps;
mod stripe_payment;
pub mod stripe_refresh;
mod stripe_route;
mod stripe_types;
pub mod twilio;
pub mod twilio_event;
pub mod twilio_gaps;
pub mod whatsapp;
pub mod whatsapp_event;

use url::form_urlencoded;

pub use delivery::{Delivery, Received, receive};
pub use route_again::route_again;

/// The queue that events wait in, for a wake-up after the commit.
pub const QUEUE: &str = "webhooks";

/// The parameters of a form, decoded, in their order.
#[must_use]
pub fn form(body: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(body)
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

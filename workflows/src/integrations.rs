//! The outside world: one adapter per provider.
//!
//! Every adapter has the same four parts: a `Config`, a client that is cheap to clone, an error enum,
//! and one `match` that says what each error means ([`autopilot_engine`]'s `Classify`).
//! An adapter makes exactly one call per method, with a timeout, and never repeats it: retries are
//! durable and belong to the engine, which is the only one to know what has been tried before.

pub mod courier;
pub mod email;
pub mod http;
pub mod openai;
pub mod phone;
pub mod stripe;
pub mod twilio;
pub mod whatsapp;

/// What breakers know the providers by: these names stand in rows.
pub mod service {
    /// Payments.
    pub const STRIPE: &str = "stripe";
    /// Numbers, calls and text messages.
    pub const TWILIO: &str = "twilio";
    /// Members' messages.
    pub const WHATSAPP: &str = "whatsapp";
    /// What a model writes.
    pub const OPENAI: &str = "openai";
    /// The deployment's mail server.
    pub const SMTP: &str = "smtp";

    /// All of them.
    pub const ALL: [&str; 5] = [STRIPE, TWILIO, WHATSAPP, OPENAI, SMTP];
}

mod address;
mod diagnosis;
#[cfg(test)]
mod scripted;
mod tls;

//! The HTTP shim: it verifies, records, enqueues in one transaction, and answers. It runs no workflow code.

mod auth;
mod autopilot;
mod breakers;
mod delivered;
mod fields;
mod health;
mod intake;
mod limits;
mod overview;
mod problem;
mod routes;
mod server;
mod state;
mod stripe_signature;
mod stripe_webhook;
#[cfg(test)]
mod tests;
mod twilio_signature;
mod twilio_tokens;
mod twilio_webhook;
mod whatsapp_signature;
mod whatsapp_webhook;
mod workspaces;

pub(crate) use self::intake::Intake;
pub(crate) use self::routes::router;
pub(crate) use self::server::serve;
pub(crate) use self::state::Http;

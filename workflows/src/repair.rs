//! Repair: whether the providers still say what we wrote down, and a new provisioning where they do not and that mends it.
//!
//! A check asks and never changes anything outside: what is bought, mended or set up is so by a provisioning, whose steps are idempotent. Who is checked, and
//! when, a schedule decides: whoever is not well soon and then ever later, everybody once a day.

mod check;
mod conclude;
mod due;
mod email;
mod found;
mod last;
mod stripe;
mod twilio;
mod whatsapp;

pub use check::Check;
pub use due::CheckDue;

//! What providers tell us: recorded first, in one transaction with the job that acts on it, then acted on.

pub mod stripe;
pub mod stripe_event;

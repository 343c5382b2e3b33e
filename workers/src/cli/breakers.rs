//! What can be asked of breakers.

use autopilot_engine::ops::breakers::Guarded;
use clap::{Args, Subcommand};

use crate::input;

/// A breaker that has failed five times in a row is open: nobody calls the provider, steps wait and spend no attempt. After a minute one
/// call tries it; when that is answered, the breaker is closed and the steps go on.
#[derive(Debug, Subcommand)]
pub(crate) enum Breakers {
    /// Those that are open, and those that count failures, with how many steps wait.
    List {
        /// Of this provider only.
        #[arg(long, value_parser = input::name)]
        provider: Option<String>,
    },
    /// One, and what it did lately.
    Show {
        /// PROVIDER, or PROVIDER/WORKSPACE for one workspace's own.
        #[arg(value_parser = input::breaker)]
        breaker: Guarded,
    },
    /// Stop the calls until a reset: steps wait, calls under way end.
    Trip(Change),
    /// Close it: the steps that wait go on at once.
    Reset(Change),
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// PROVIDER (stripe, twilio, whatsapp, openai, smtp), or PROVIDER/WORKSPACE for one workspace's own.
    #[arg(value_parser = input::breaker)]
    pub(crate) breaker: Guarded,
    /// Why, for whoever looks later: it is written down.
    #[arg(long, value_parser = input::name)]
    pub(crate) reason: String,
}

//! What can be asked of repairs.

use autopilot_engine::WorkspaceId;
use clap::Subcommand;

use crate::input;

/// Every studio is asked about once a day, and one that is not well soon and then ever later: what differs from our books is written down, and a new provisioning
/// starts where that mends it.
#[derive(Debug, Subcommand)]
pub(crate) enum Repairs {
    /// What was found, what was done about it and what came of that, the newest first.
    List {
        /// Of this workspace only.
        #[arg(long, value_parser = input::workspace)]
        workspace: Option<WorkspaceId>,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
}

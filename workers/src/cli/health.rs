//! What can be asked of how the studios stand.

use autopilot_engine::WorkspaceId;
use clap::Args;

use crate::health::Page;
use crate::input;

/// Without --workspace: all. Exit code 1 where the answer is unhealthy.
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// One studio, in full.
    #[arg(long, value_parser = input::workspace, conflicts_with_all = ["all", "after", "limit"])]
    pub(crate) workspace: Option<WorkspaceId>,
    /// All studios: what runs them, how many stand how, and a page of them.
    #[arg(long)]
    pub(crate) all: bool,
    /// The studios after this one.
    #[arg(long, value_parser = input::workspace)]
    pub(crate) after: Option<WorkspaceId>,
    /// At most so many studios on the page.
    #[arg(long, default_value_t = Page::USUAL, value_parser = clap::value_parser!(u32).range(1..=i64::from(Page::MOST)))]
    pub(crate) limit: u32,
}

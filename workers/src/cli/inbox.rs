//! What can be asked of the webhooks that were received.

use autopilot_engine::WorkspaceId;
use autopilot_workflows::state::inbox::{EventState, Filter};
use autopilot_workflows::state::provider::Provider;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand, ValueEnum};

use crate::input;

#[derive(Debug, Subcommand)]
pub(crate) enum Inbox {
    /// The newest events.
    List {
        #[command(flatten)]
        which: WhichEvents,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// One event with its body.
    Show(EventArg),
    /// Handle events again, after the cause was mended: one, or all that fit, the newest first. What an event asks for is done once,
    /// however often.
    Replay(Replay),
    /// Up to when it is known that nothing is missing of what a provider can be asked for.
    Gaps,
}

/// An event by its id.
#[derive(Debug, Args)]
pub(crate) struct EventArg {
    /// Its id, for example evt_….
    pub(crate) event: String,
    /// Who sent it, should two have the same id.
    #[arg(long, value_parser = provider)]
    pub(crate) provider: Option<Provider>,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Its id, for example evt_…. Without one, say which.
    #[arg(required_unless_present = "Events")]
    pub(crate) event: Option<String>,
    #[command(flatten)]
    pub(crate) which: WhichEvents,
    /// At most so many, where no id is given.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
}

/// Which events; what is not said is any.
#[derive(Debug, Args)]
#[group(id = "Events", multiple = true)]
pub(crate) struct WhichEvents {
    /// Of this provider only.
    #[arg(long, value_parser = provider)]
    provider: Option<Provider>,
    /// In this state only.
    #[arg(long)]
    state: Option<InboxState>,
    /// Of this type only; with a `*` at its end, of all that begin so.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Of this workspace only.
    #[arg(long, value_parser = input::workspace)]
    workspace: Option<WorkspaceId>,
    /// Received since: so long ago (2h, 30d) or at a time (2026-01-31T08:00:00Z).
    #[arg(long, value_parser = input::moment, value_name = "WHEN")]
    since: Option<DateTime<Utc>>,
    /// Received before.
    #[arg(long, value_parser = input::moment, value_name = "WHEN")]
    until: Option<DateTime<Utc>>,
}

impl WhichEvents {
    /// The provider, if nothing else is said: that may stand beside an id.
    pub(crate) fn only_provider(&self) -> Result<Option<Provider>, &'static str> {
        let Self { provider, state, event_type, workspace, since, until } = self;
        let is_alone = state.is_none()
            && event_type.is_none()
            && workspace.is_none()
            && since.is_none()
            && until.is_none();
        if is_alone {
            Ok(*provider)
        } else {
            Err("an id says which event: beside it only --provider can be said")
        }
    }
}

impl From<WhichEvents> for Filter {
    fn from(which: WhichEvents) -> Self {
        let WhichEvents { provider, state, event_type, workspace, since, until } = which;
        Self { provider, state: state.map(EventState::from), event_type, workspace, since, until }
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum InboxState {
    Received,
    Processed,
    Unroutable,
    Ignored,
    Failed,
}

impl From<InboxState> for EventState {
    fn from(state: InboxState) -> Self {
        match state {
            InboxState::Received => Self::Received,
            InboxState::Processed => Self::Processed,
            InboxState::Unroutable => Self::Unroutable,
            InboxState::Ignored => Self::Ignored,
            InboxState::Failed => Self::Failed,
        }
    }
}

fn provider(name: &str) -> Result<Provider, String> {
    name.parse()
        .map_err(|error: autopilot_workflows::state::provider::NoProvider| error.to_string())
}

//! What can be asked of the addresses that studios are told at.

use std::time::Duration;

use autopilot_engine::WorkspaceId;
use autopilot_workflows::outbound::EventType;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use uuid::Uuid;

use crate::input;

#[derive(Debug, Subcommand)]
pub(crate) enum Endpoints {
    /// A studio's endpoints, and how they do.
    List(OfWorkspace),
    /// Tell a studio's own program what happens. Prints the secret that it checks signatures with (Standard Webhooks), once.
    Add(Add),
    /// Give an endpoint another secret, and print it once. The one before signs as well until it is over.
    Rotate {
        #[command(flatten)]
        one: OneEndpoint,
        /// How long both sign: 24h, 7d.
        #[arg(long, default_value = "24h", value_parser = crate::config::parse_duration)]
        both_for: Duration,
    },
    /// Tell an endpoint again from now on. What it missed can be replayed.
    Enable(OneEndpoint),
    /// Tell an endpoint nothing for now.
    Disable(OneEndpoint),
    /// Forget an endpoint and all that it was told.
    Remove(OneEndpoint),
    /// What was told, the newest first.
    Deliveries {
        #[command(flatten)]
        of: OfWorkspace,
        #[command(flatten)]
        which: WhichDeliveries,
        /// At most so many.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// One delivery: what was said, and every post.
    Show {
        #[command(flatten)]
        of: OfWorkspace,
        /// Its id.
        delivery: Uuid,
    },
    /// Tell once more under the same ids: one delivery, or all that fit, the newest first.
    Replay {
        #[command(flatten)]
        of: OfWorkspace,
        /// Its id. Without one, say which.
        #[arg(required_unless_present = "Told", conflicts_with = "Told")]
        delivery: Option<Uuid>,
        #[command(flatten)]
        which: WhichDeliveries,
        /// At most so many, where no id is given.
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
}

/// Whose.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OfWorkspace {
    /// The studio's workspace, a UUID.
    #[arg(value_parser = input::workspace)]
    pub(crate) workspace: WorkspaceId,
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct OneEndpoint {
    #[command(flatten)]
    pub(crate) of: OfWorkspace,
    /// Its id, as the list shows it.
    pub(crate) endpoint: Uuid,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    #[command(flatten)]
    pub(crate) of: OfWorkspace,
    /// Where to: https://host/path, on port 443 of the public Internet.
    pub(crate) url: String,
    /// Only events of this type; may be repeated. Without it, all.
    #[arg(long = "event", value_name = "TYPE", value_parser = input::event_type)]
    pub(crate) events: Vec<EventType>,
}

/// Which deliveries; what is not said is any.
#[derive(Debug, Clone, Copy, Args)]
#[group(id = "Told", multiple = true)]
pub(crate) struct WhichDeliveries {
    /// To this endpoint only.
    #[arg(long)]
    pub(crate) endpoint: Option<Uuid>,
    /// Only what was not taken.
    #[arg(long)]
    pub(crate) open: bool,
    /// Of then or later: so long ago (2h, 30d) or at a time (2026-01-31T08:00:00Z).
    #[arg(long, value_parser = input::moment, value_name = "WHEN")]
    pub(crate) since: Option<DateTime<Utc>>,
    /// Before then.
    #[arg(long, value_parser = input::moment, value_name = "WHEN")]
    pub(crate) until: Option<DateTime<Utc>>,
}

//! For how long what has ended is kept.

use std::time::Duration;

use clap::{Subcommand, ValueEnum};

use crate::input;

#[derive(Debug, Subcommand)]
pub(crate) enum Retention {
    /// For how long ends are kept, by queue and outcome.
    List,
    /// Keep what ends so for so long, counted from its end; holds for what ends from now on.
    Set {
        /// How the jobs end. What is set aside stays until somebody has decided.
        outcome: Ended,
        /// For example 30d; 1d to 366d.
        #[arg(value_parser = crate::config::parse_duration)]
        keep: Duration,
        /// In this queue only; without it, in all that have no rule of their own.
        #[arg(long, value_parser = input::name)]
        queue: Option<String>,
    },
    /// Keep what ends so in a queue for as long as in all others.
    Unset {
        /// How the jobs end.
        outcome: Ended,
        /// The queue.
        #[arg(long, value_parser = input::name)]
        queue: String,
    },
    /// What takes how much room, and when it goes.
    Partitions,
    /// Make the partitions that will be needed and drop those whose time has come, as every worker does once a minute. Under the
    /// login that owns the tables, where the workers' may not.
    Tend,
}

/// How a job can have ended.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Ended {
    Completed,
    Degraded,
    Cancelled,
}

impl Ended {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Degraded => "degraded",
            Self::Cancelled => "cancelled",
        }
    }
}

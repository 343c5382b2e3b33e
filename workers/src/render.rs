//! The terminal's view of a run: what it is, how far it has come, and what to do if it stopped.
//!
//! Everything but [`watch`] is a pure function from a [`RunView`] to lines. Progress is honest: only steps that
//! are done count, never skipped or failed ones.

mod elapsed;
mod lines;
mod run_view;
mod watch;

use std::io::IsTerminal;

pub(crate) use self::lines::lines;
pub(crate) use self::run_view::{RunStatus, RunView, StepState, StepView, percent};
pub(crate) use self::watch::{Screen, watch};

/// For whom the lines are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A file, a pipe, a log: nothing but text in ASCII, apart from what the run itself says.
    Plain,
    /// A terminal: colour and block characters.
    Terminal,
}

impl Style {
    /// What fits the output. NO_COLOR, if it is not empty, asks for plain text everywhere.
    pub(crate) fn of(output: &impl IsTerminal, no_color: Option<&str>) -> Self {
        let refused = no_color.is_some_and(|value| !value.is_empty());
        if output.is_terminal() && !refused { Self::Terminal } else { Self::Plain }
    }
}

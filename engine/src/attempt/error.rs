//! Why an attempt did not do what it was to, as those see it who run attempts themselves.

use crate::failure::Failure;
use crate::run::Ended;

/// An attempt that did not end well. What becomes of the job is decided and written when this is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// Its code failed, panicked or was dropped half way.
    #[error("{failure}")]
    Failed {
        /// What happened, as it stands in the job's failures.
        failure: Box<Failure>,
        /// Whether the job is attempted again, by its own policy, or was set aside.
        then: Ended,
    },
    /// Nothing of the job has run, and it has cost no attempt: the job is given back.
    #[error("the attempt could not begin; the job is given back")]
    NotBegun,
    /// The job was cancelled, taken over or given back meanwhile, or its end could not be written: nothing of the attempt counts.
    #[error("the job is not this attempt's any more")]
    Lost,
}

//! How a step is asked for, and how one that need not succeed ended.

use std::time::Duration;

use crate::breaker::LONGEST_SERVICE;
use crate::retry::Retry;

/// A step's name and what is special about it. A plain name will do in most cases.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub(super) name: &'static str,
    pub(super) timeout: Option<Duration>,
    pub(super) sealed: bool,
    pub(super) retry: Option<Retry>,
    pub(super) service: Option<&'static str>,
}

impl Step {
    /// A step with this name: unique within the run, stable over deploys.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name, timeout: None, sealed: false, retry: None, service: None }
    }

    /// How long the whole step may take; the default is the process's call timeout. A step that makes several calls
    /// asks [`super::At::before_call`] before each.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A retry policy of the step's own: counted by how often it was begun, and none of the job's retries are spent.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Whom the step calls, by a name that stands in rows: at most 64 bytes, no `/`. While that is out of order for the step's workspace or for
    /// everybody, the step waits and spends no attempt; see [`BreakerPolicy`](crate::BreakerPolicy). One that the run can do without
    /// ([`Run::optional`](crate::Run::optional)) is left out instead.
    ///
    /// A step that calls several asks with [`At::call`](crate::At::call) for each.
    ///
    /// # Panics
    /// When the name is empty, too long or has a `/`: at compile time, where the step is a constant.
    #[must_use]
    pub const fn calls(mut self, service: &'static str) -> Self {
        check_service(service);
        self.service = Some(service);
        self
    }

    /// Seals the step's output at rest, because it holds secrets.
    #[must_use]
    pub const fn sealed(mut self) -> Self {
        self.sealed = true;
        self
    }
}

/// Stops whoever wrote a name that cannot stand in rows.
pub(super) const fn check_service(service: &str) {
    let mut rest = service.as_bytes();
    assert!(
        !rest.is_empty() && rest.len() <= LONGEST_SERVICE,
        "the name of a service has 1 to 64 bytes"
    );
    while let [first, others @ ..] = rest {
        assert!(*first != b'/', "the name of a service has no /");
        rest = others;
    }
}

impl From<&'static str> for Step {
    fn from(name: &'static str) -> Self {
        Self::named(name)
    }
}

/// How a step ended that the run can go on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a step that was not done must not be taken for done"]
pub enum Outcome<T> {
    /// Done, now or on an earlier attempt.
    Done(T),
    /// Not possible by configuration.
    Skipped,
    /// Waits for somebody else.
    Waiting,
    /// Failed, and no retry is left.
    Failed,
}

impl<T> Outcome<T> {
    /// The value of a step that is done.
    #[must_use]
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Skipped | Self::Waiting | Self::Failed => None,
        }
    }

    /// The value of a step that is done, by reference.
    #[must_use]
    pub const fn as_done(&self) -> Option<&T> {
        match self {
            Self::Done(value) => Some(value),
            Self::Skipped | Self::Waiting | Self::Failed => None,
        }
    }
}

//! The protocols that are compared.

/// A protocol. Each differs from [`Variant::TokenAndKey`], ours, in what its line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Writes go by the job's id alone, and the provider knows no keys.
    NoGuard,
    /// Writes carry `WHERE locked_by = me`: a process that claims its own expired job again lets its
    /// former attempt in too.
    OwnerOnly,
    /// The provider knows no keys.
    TokenNoKeys,
    /// Every write carries the token, every call a key that is the same on all attempts of a step.
    TokenAndKey,
    /// `step_once`: no keys, but a `started` record without a checkpoint stops the job for review.
    TokenIntentReview,
    /// `step_once` that takes a `started` record without a checkpoint for done, and goes on.
    TokenIntentGuess,
    /// The fence of a checkpoint is read without locking the job's row, then the row is inserted.
    UnlockedCheckpoint,
    /// The claim does not lock the worker's row, so a rescue may pass it by.
    UnlockedClaim,
    /// The fix: the claim locks the worker's row first, and claims nothing where there is none.
    LockedClaim,
}

/// What a write demands of the job's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    Nothing,
    Owner,
    TokenAndState,
}

/// What becomes of a call whose outcome nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    CallAgain,
    Review,
    TakeForDone,
}

impl Variant {
    pub(crate) fn guard(self) -> Guard {
        match self {
            Self::NoGuard => Guard::Nothing,
            Self::OwnerOnly => Guard::Owner,
            Self::TokenNoKeys
            | Self::TokenAndKey
            | Self::TokenIntentReview
            | Self::TokenIntentGuess
            | Self::UnlockedCheckpoint
            | Self::UnlockedClaim
            | Self::LockedClaim => Guard::TokenAndState,
        }
    }

    pub(crate) fn doubt(self) -> Doubt {
        match self {
            Self::TokenIntentReview => Doubt::Review,
            Self::TokenIntentGuess => Doubt::TakeForDone,
            Self::NoGuard
            | Self::OwnerOnly
            | Self::TokenNoKeys
            | Self::TokenAndKey
            | Self::UnlockedCheckpoint
            | Self::UnlockedClaim
            | Self::LockedClaim => Doubt::CallAgain,
        }
    }

    /// Whether the provider does nothing for a key that it has seen.
    pub(crate) fn has_keys(self) -> bool {
        match self {
            Self::OwnerOnly
            | Self::TokenAndKey
            | Self::UnlockedCheckpoint
            | Self::UnlockedClaim
            | Self::LockedClaim => true,
            Self::NoGuard
            | Self::TokenNoKeys
            | Self::TokenIntentReview
            | Self::TokenIntentGuess => false,
        }
    }

    pub(crate) fn checks_before_insert(self) -> bool {
        self == Self::UnlockedCheckpoint
    }

    /// Whether claims take time and worker rows come and go. Elsewhere a claim is one action and a
    /// process whose row is gone has another at once: that question would only multiply the states.
    pub(crate) fn has_worker_rows(self) -> bool {
        matches!(self, Self::UnlockedClaim | Self::LockedClaim)
    }

    pub(crate) fn claim_locks_worker(self) -> bool {
        self == Self::LockedClaim
    }

    /// Whether anything depends on which process runs an attempt. Where it does not, the processes
    /// are one and the same state.
    pub(crate) fn tells_processes_apart(self) -> bool {
        self.guard() == Guard::Owner || self.has_worker_rows()
    }
}

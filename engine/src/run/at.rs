//! What the code of a step is given.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::{PgPool, Postgres, Transaction};
use uuid::Uuid;

use super::Run;
use super::call_notes::CallNotes;
use crate::breaker::Breakers;
use crate::committer::{Change, fence};
use crate::config::CALL_MARGIN;
use crate::enqueue::KEY_NAMESPACE;
use crate::failure::{Result, Stop};
use crate::ids::{JobId, WorkspaceId};
use crate::kept::kept;
use crate::lease::{Claim, Lease};
use crate::lock::Locks;
use crate::retry::Retry;
use crate::secrets::Vault;

/// Who says how far he has come says so no more often.
const SAY: Duration = Duration::from_secs(1);

/// In bytes.
const LONGEST_NOTE: usize = 500;

/// The place of a step's code: what it may touch, and the key that it hands to the provider.
pub struct At<'r, A> {
    /// All that a step may touch.
    pub app: &'r A,
    /// The same on every attempt, after every crash and after a failover that lost the last commits.
    pub key: StepKey,
    /// The run.
    pub job: JobId,
    /// The tenant whose rows the run touches.
    pub workspace: WorkspaceId,
    /// The pool, for reads and for the step's own short transactions. Never held across an external call.
    pub pool: &'r PgPool,
    /// Locks for what other processes do as well and is no job. One is not durable: take it and give it back within the step.
    pub locks: &'r Locks,
    vault: Option<&'r Vault>,
    lease: &'r Arc<Lease>,
    pub(super) claim: Claim,
    pub(super) breakers: &'r Breakers,
    pub(super) again: Again,
    step: &'static str,
    /// When it was said last how far the step has come.
    said: Mutex<Option<Instant>>,
    pub(super) calls: Arc<CallNotes>,
    pub(super) call_timeout: Duration,
}

/// How a step may be done again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Again {
    /// It was begun before, and did not end in waiting for somebody else.
    pub(super) is_retry: bool,
    /// How often it has met an outage that cost nothing.
    pub(super) outages: u32,
    /// The run's policy.
    pub(super) retry: Retry,
    /// It may be done again whatever came of it.
    pub(super) repeats: bool,
}

impl<'r, A> At<'r, A> {
    pub(super) fn new(run: &Run<'r, A>, step: &'static str) -> Self {
        Self {
            app: run.app,
            key: StepKey::of(run.claim.job, step),
            job: run.claim.job,
            workspace: run.workspace,
            pool: &run.world.pool,
            locks: &run.world.locks,
            vault: run.world.vault.as_ref(),
            lease: &run.world.lease,
            claim: run.claim,
            breakers: &run.world.breakers,
            again: run.again(),
            step,
            said: Mutex::default(),
            calls: Arc::clone(&run.calls),
            call_timeout: run.world.call_timeout,
        }
    }

    /// The same place once more, for a lookup.
    pub(super) fn again(&self) -> Self {
        let (key, calls) = (self.key.clone(), Arc::clone(&self.calls));
        Self { key, said: Mutex::default(), calls, ..*self }
    }

    /// Waits until the lease outlasts a call, as before the step's first call (L3). A step that makes several calls
    /// asks before each one that has an effect: a process that was paused meanwhile must not go on calling.
    ///
    /// # Errors
    /// [`Stop::Parked`] when this process can no longer be sure that it owns the job; it is given back.
    pub async fn before_call(&self) -> Result {
        if self.lease.outlasts(self.call_timeout + CALL_MARGIN).await {
            Ok(())
        } else {
            Err(Stop::Parked)
        }
    }

    /// Begins a transaction that only the owner of the job can commit anything in: the job's row is locked until its
    /// end, and a superseded attempt gets [`Stop::Lost`] (P2). For what a step keeps in our own database; end it
    /// before the next call.
    ///
    /// # Errors
    /// [`Stop::Lost`], or what the database says.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>> {
        let mut tx = self.pool.begin().await?;
        let owned = fence(&mut tx, self.lease.worker, &[&Change::of(self.claim)]).await?;
        if owned.contains(&self.claim) { Ok(tx) } else { Err(Stop::Lost) }
    }

    /// Says that the step ends without having asked anybody: its end tells nothing of whether whom it
    /// [calls](super::Step::calls) is in order.
    pub fn asked_nobody(&self) {
        self.calls.note_nobody();
    }

    /// Says how far a long step has come, for who watches the run: kept beside the step, once a second at most; what comes sooner
    /// is dropped. 500 bytes at most are kept. It proves as well that the run is still ours.
    ///
    /// # Errors
    /// [`Stop::Lost`] when it is not.
    pub async fn progress(&self, text: &str) -> Result {
        if !self.may_say() {
            return Ok(());
        }
        let note = format!("{}\u{1f}{}", self.step, kept(text, LONGEST_NOTE));
        let worker = self.lease.worker.uuid();
        let noted = sqlx::query_file!(
            "sql/note.sql",
            worker,
            self.claim.job.uuid(),
            self.claim.token,
            note
        )
        .execute(self.pool)
        .await?;
        if noted.rows_affected() == 0 { Err(Stop::Lost) } else { Ok(()) }
    }

    fn may_say(&self) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let may = said.is_none_or(|said| said.elapsed() >= SAY);
        if may {
            *said = Some(Instant::now());
        }
        may
    }

    /// The vault for sealed columns, where the process has a keyring.
    #[must_use]
    pub const fn vault(&self) -> Option<&'r Vault> {
        self.vault
    }
}

/// An idempotency key: derived from the job and the step, never drawn at random.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct StepKey(String);

impl StepKey {
    pub(crate) fn of(job: JobId, step: &str) -> Self {
        let name = format!("{job}\n{step}");
        Self(format!("ap_{}", Uuid::new_v5(&KEY_NAMESPACE, name.as_bytes()).simple()))
    }

    /// The key as it goes over the wire: 35 ASCII characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_one_key_and_each_step_and_job_its_own() {
        let (one, other) = (JobId::now_v7(), JobId::now_v7());
        assert_eq!(StepKey::of(one, "buy"), StepKey::of(one, "buy"));
        assert_ne!(StepKey::of(one, "buy"), StepKey::of(one, "sell"));
        assert_ne!(StepKey::of(one, "buy"), StepKey::of(other, "buy"));
    }
}

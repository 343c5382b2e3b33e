//! A job as a claim answers with it.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::attempt::Claimed;
use crate::committer::Family;
use crate::ids::{JobId, WorkspaceId};
use crate::lease::Claim;
use crate::limit::Limit;
use crate::loops::judge::Limited;
use crate::loops::lanes::LaneId;
use crate::runner::Ticket;

/// The columns of the answer.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) workspace: Uuid,
    pub(super) kind: String,
    pub(super) queue: String,
    pub(super) lane: i16,
    pub(super) share: i32,
    pub(super) run_at: DateTime<Utc>,
    pub(super) token: i64,
    pub(super) attempt: i32,
    pub(super) crashes: i32,
    pub(super) step: Option<String>,
    pub(super) starts: i32,
    pub(super) payload: String,
    pub(super) rare: Option<String>,
}

/// What few jobs have.
#[derive(Debug, Default, Deserialize)]
struct Rare {
    limits: serde_json::Value,
    has_turn: bool,
    wakes: Option<String>,
}

/// A job that was claimed.
#[derive(Debug)]
pub(super) enum Taken {
    /// It may begin.
    Free(Ticket),
    /// Its limits have to allow it first.
    Limited(Limited),
}

impl Row {
    pub(super) const fn lane(&self) -> LaneId {
        LaneId { number: self.lane, share: self.share }
    }

    /// The job, in its slot.
    pub(super) fn taken(self, slot: OwnedSemaphorePermit) -> Taken {
        let rare = self.rare.as_deref().map(Rare::read).unwrap_or_default();
        let limits = rare.limits();
        let job = Claimed {
            claim: Claim { job: JobId::from(self.id), token: self.token },
            workspace: WorkspaceId::from(self.workspace),
            kind: self.kind,
            attempt: self.attempt,
            crashes: self.crashes,
            begun: self.step.map(|step| (step, self.starts)),
            foreseen: None,
            limited: limits.iter().any(Limit::holds_up),
            family: rare.wakes.and_then(Family::of).map(Box::new),
            payload: self.payload,
        };
        let ticket = Ticket { job, slot };
        if limits.is_empty() {
            Taken::Free(ticket)
        } else {
            Taken::Limited(Limited { ticket, limits, has_turn: rare.has_turn })
        }
    }
}

impl Rare {
    fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_else(|error| {
            tracing::error!(%error, json, "what a claim says of a job is not understood");
            Self::default()
        })
    }

    /// What this version does not understand is as good as nothing: it was refused, if it made no sense, when the job was
    /// enqueued.
    fn limits(&self) -> Vec<Limit> {
        if self.limits.is_null() {
            return Vec::new();
        }
        Vec::<Limit>::deserialize(&self.limits).unwrap_or_else(|error| {
            tracing::error!(%error, limits = %self.limits, "limits of a job are not understood; it begins without them");
            Vec::new()
        })
    }
}

//! A model of the lease protocol, explored whole.
//!
//! One job of two steps, two processes, three claims at most. Every action may happen at any time or
//! never, so each is delayed for ever in some run: that is a paused or killed worker, a slow network,
//! a committer that is behind. No clock of a worker appears, because none may decide anything (L5): that
//! a worker fences itself (L4) and keeps a margin of lease before a call (L3) makes the runs below
//! rare, not impossible, so the protocol must hold without it.
//!
//! | action | what it stands for | rule |
//! |---|---|---|
//! | `BeginClaim` | a process opens the claim's transaction and, with the fix, locks its own worker row | L1, L4 |
//! | `CommitClaim` | the claim commits: `token + 1`, owned by the process's incarnation; the attempt reads where to resume | L1 |
//! | `Rescue` | the database's clock says that a worker's heartbeat is too old: one transaction deletes its row and gives its job back | L5, L6 |
//! | `Register` | a process that finds its row gone goes on under a new incarnation; its old attempts go on too | L1 |
//! | `Start` | the step's `started` record, committed before the call; where all is recorded already, the ack | L2, L3 |
//! | `Call` | the provider does it, and its answer goes to the committer | P4 |
//! | `CallUnanswered` | the provider does it, and the answer is lost | P4 |
//! | `CallLost` | the request never arrives, which the worker cannot tell from the line above | P4 |
//! | `Stray` | a request that was under way when its attempt was given up arrives all the same | L9 |
//! | `Check` | the fence of a checkpoint read without a lock, in a statement before its insert | L2 |
//! | `Commit` | the committer's transaction: the checkpoint, with the last one the ack | L2, L8 |
//! | `CommitUnanswered` | the same, and the answer of the COMMIT is lost | L12 |
//! | `Reread` | the attempt reads by its token what became of that COMMIT | L12 |
//! | `Release` | drain: the attempt is given up and the job given back, its token kept; what the committer holds of it stays there | L9 |
//! | `Cancel` | an operator cancels the job | L10 |
//!
//! Not modelled: quarantine (L7) and more than one job; limits per key, named locks and cron have models of their own, [`limit`], [`lock`] and [`tick`]. The checkpoint is a
//! cursor, the number of steps recorded. Where a variant keeps a row per step instead, the insert of a row
//! that is there is refused, so its cursor cannot go back.
//!
//! [`Variant`] lists the protocols, [`Property`](properties::NAMES) what is asked of them, and
//! `tests/lease.rs` which of them breaks what.

pub mod limit;
pub mod lock;
pub mod properties;
pub mod tick;

mod model;
mod report;
mod state;
mod transitions;
mod variant;

pub use model::{Action, Lease};
pub use report::{Report, explore};
pub use state::{Attempt, Job, Owner, Phase, State, Status, Worker};
pub use variant::Variant;

/// Steps of the job.
pub const STEPS: usize = 2;
/// How often the job is claimed at most, and so how many attempts there are.
pub const CLAIMS: usize = 3;
/// Worker processes.
pub const PROCESSES: usize = 2;
/// Incarnations of each process: one, and one after its row was deleted.
pub const INCARNATIONS: u8 = 2;

//! A model of named locks: two processes, each of which takes one lock twice at most, a Redis before the database.
//!
//! A process asks Redis, then the database; it writes under the lock, and gives it back or is paused until it has run out. Redis may lose
//! all that it knows at any time, and be passed over. A row that nobody has is forgotten.

use stateright::{Model, Property};

const PROCESSES: usize = 2;
/// How often each process takes the lock.
const TURNS: u8 = 2;

/// Nobody has the lock beside somebody whose lease has not run out.
pub const ONE_OWNER: &str = "no two have the lock at a time";
/// Nobody writes after somebody who came later has written.
pub const NO_LATE_WRITE: &str = "no write comes after that of a later holder";
/// Each holder's fence is above those of all before.
pub const FENCES_RISE: &str = "each fence is above those before";
/// Some run lets both write, although Redis was emptied and a lease ran out.
pub const BOTH_WROTE: &str = "both can write after trouble";

/// A protocol. Each differs from [`Ours`](Self::Ours) in what its line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Redis turns away, the row decides, the fence is drawn under its lock, and a write locks the row.
    Ours,
    /// Who has Redis's word asks nobody else.
    RedisDecides,
    /// A fence is drawn before the row is locked, as in the `VALUES` of an insert.
    EarlyFence,
    /// A write does not ask whether the lock is still its writer's.
    UnaskedWrite,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Phase {
    #[default]
    Idle,
    /// Redis has not turned it away. A fence that was drawn too early.
    Asking(Option<u8>),
    Holding(Lease),
}

/// What a holder believes to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Lease {
    fence: u8,
    /// It has run out, which its holder does not know.
    is_over: bool,
}

/// All that there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct State {
    processes: [Phase; PROCESSES],
    turns: [u8; PROCESSES],
    wrote: [bool; PROCESSES],
    /// Who has the key in Redis.
    key: Option<usize>,
    /// The lock's row: whose it is, if anybody's.
    row: Option<Option<usize>>,
    /// The last fence that was drawn.
    sequence: u8,
    highest: u8,
    last_write: u8,
    two_owners: bool,
    late_write: bool,
    fell: bool,
    flushed: bool,
    ran_out: bool,
}

/// What may happen, in a process or to Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Action {
    AskRedis(usize),
    PassRedis(usize),
    DrawFence(usize),
    AskPostgres(usize),
    RunOut(usize),
    Write(usize),
    GiveBack(usize),
    Flush,
    Forget,
}

impl State {
    fn set(&mut self, process: usize, phase: Phase) -> Option<()> {
        *self.processes.get_mut(process)? = phase;
        Some(())
    }

    /// The process has the lock from now on.
    fn take(&mut self, process: usize, fence: u8) -> Option<()> {
        let has = |phase: &Phase| matches!(phase, Phase::Holding(Lease { is_over: false, .. }));
        self.two_owners |= self.processes.iter().any(has);
        self.fell |= fence <= self.highest;
        self.highest = self.highest.max(fence);
        *self.turns.get_mut(process)? += 1;
        self.set(process, Phase::Holding(Lease { fence, is_over: false }))
    }

    const fn draw(&mut self) -> u8 {
        self.sequence += 1;
        self.sequence
    }

    /// The lock is not the process's any more, where it still was.
    fn free(&mut self, process: usize, lease: Lease) {
        if self.is_still(process, lease) {
            self.row = Some(None);
        }
        if self.key == Some(process) {
            self.key = None;
        }
    }

    /// Whether the row says that the lock is this process's, under this fence, and has not run out.
    fn is_still(&self, process: usize, lease: Lease) -> bool {
        self.row == Some(Some(process)) && !lease.is_over
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (process, phase) in state.processes.iter().enumerate() {
            match phase {
                Phase::Idle if state.turns.get(process).is_some_and(|turns| *turns < TURNS) => {
                    if state.key.is_none() {
                        actions.push(Action::AskRedis(process));
                    }
                    // It is away, or not believed any more.
                    if *self != Self::RedisDecides {
                        actions.push(Action::PassRedis(process));
                    }
                }
                Phase::Idle => {}
                Phase::Asking(None) if *self == Self::EarlyFence && state.row.is_none() => {
                    actions.push(Action::DrawFence(process));
                }
                Phase::Asking(_) => actions.push(Action::AskPostgres(process)),
                Phase::Holding(lease) => {
                    actions.extend([Action::Write(process), Action::GiveBack(process)]);
                    if !lease.is_over {
                        actions.push(Action::RunOut(process));
                    }
                }
            }
        }
        if state.key.is_some() && !state.flushed {
            actions.push(Action::Flush);
        }
        if state.row == Some(None) {
            actions.push(Action::Forget);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::AskRedis(process) => {
                next.key = Some(process);
                if *self == Self::RedisDecides {
                    let fence = next.draw();
                    next.row = Some(Some(process));
                    next.take(process, fence)?;
                } else {
                    next.set(process, Phase::Asking(None))?;
                }
            }
            Action::PassRedis(process) => next.set(process, Phase::Asking(None))?,
            Action::DrawFence(process) => {
                let fence = next.draw();
                next.set(process, Phase::Asking(Some(fence)))?;
            }
            Action::AskPostgres(process) => {
                let Phase::Asking(drawn) = *state.processes.get(process)? else { return None };
                if let Some(holder @ Some(_)) = state.row {
                    next.set(process, Phase::Idle)?;
                    if state.key == Some(process) {
                        next.key = holder;
                    }
                } else {
                    // Drawn early it counts for the row's first version only.
                    let early = drawn.filter(|_| state.row.is_none());
                    let fence = early.unwrap_or_else(|| next.draw());
                    next.row = Some(Some(process));
                    next.take(process, fence)?;
                }
            }
            Action::RunOut(process) => {
                let Phase::Holding(lease) = *state.processes.get(process)? else { return None };
                next.free(process, lease);
                next.set(process, Phase::Holding(Lease { is_over: true, ..lease }))?;
                next.ran_out = true;
            }
            Action::Write(process) => {
                let Phase::Holding(lease) = *state.processes.get(process)? else { return None };
                if *self == Self::UnaskedWrite || state.is_still(process, lease) {
                    next.late_write |= lease.fence < state.last_write;
                    next.last_write = lease.fence;
                    *next.wrote.get_mut(process)? = true;
                }
            }
            Action::GiveBack(process) => {
                let Phase::Holding(lease) = *state.processes.get(process)? else { return None };
                next.free(process, lease);
                next.set(process, Phase::Idle)?;
            }
            Action::Flush => (next.key, next.flushed) = (None, true),
            Action::Forget => next.row = None,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_OWNER, |_, state: &State| !state.two_owners),
            Property::always(NO_LATE_WRITE, |_, state: &State| !state.late_write),
            Property::always(FENCES_RISE, |_, state: &State| !state.fell),
            Property::sometimes(BOTH_WROTE, |_, state: &State| {
                state.flushed && state.ran_out && state.wrote == [true; PROCESSES]
            }),
        ]
    }
}

//! A model of cron: two processes look after one schedule that ticks twice.
//!
//! A process finds the schedule due, enqueues the tick's job, notes it with the next due time, and commits; it may die at any time
//! before, or after. Transactions see what was committed when they looked.

use stateright::{Model, Property};

/// Ticks of the schedule.
pub const TICKS: usize = 2;
const PROCESSES: usize = 2;

/// No tick has two jobs.
pub const ONCE: &str = "no tick has two jobs";
/// Some run gives every tick its job, although a process died.
pub const ALL_TAKEN: &str = "every tick can be taken after a crash";

/// A protocol. Each differs from [`Ours`](Self::Ours) in what its line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The schedule's row is locked, the job and the tick's row are one transaction, and a tick's row is there once.
    Ours,
    /// Nobody locks anything; the tick's row, there once, is all that holds.
    OnlyTheKey,
    /// Nobody locks anything, and ticks have no rows.
    Nothing,
    /// The job is enqueued in a transaction of its own, before the tick is noted.
    TwoTransactions,
}

/// Where a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Phase {
    #[default]
    Idle,
    /// It has seen that this tick is due.
    Due(usize),
    /// It has enqueued this tick's job, in a transaction of its own.
    Enqueued(usize),
    Dead,
}

/// All that there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct State {
    processes: [Phase; PROCESSES],
    /// How many ticks are noted: the next one that is due.
    next: usize,
    jobs: [u8; TICKS],
    locked: Option<usize>,
}

/// What may happen, in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Action {
    Look(usize),
    Enqueue(usize),
    Commit(usize),
    Die(usize),
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
                Phase::Idle
                    if state.next < TICKS && (*self != Self::Ours || state.locked.is_none()) =>
                {
                    actions.push(Action::Look(process));
                }
                Phase::Due(_) if *self == Self::TwoTransactions => {
                    actions.push(Action::Enqueue(process));
                }
                Phase::Due(_) | Phase::Enqueued(_) => actions.push(Action::Commit(process)),
                Phase::Idle | Phase::Dead => {}
            }
            let alive = state.processes.iter().all(|phase| *phase != Phase::Dead);
            if alive && !matches!(phase, Phase::Idle) {
                actions.push(Action::Die(process));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        let (Action::Look(process)
        | Action::Enqueue(process)
        | Action::Commit(process)
        | Action::Die(process)) = action;
        let then = match (action, *state.processes.get(process)?) {
            (Action::Look(_), _) => {
                if *self == Self::Ours {
                    next.locked = Some(process);
                }
                Phase::Due(state.next)
            }
            (Action::Enqueue(_), Phase::Due(tick)) => {
                *next.jobs.get_mut(tick)? += 1;
                Phase::Enqueued(tick)
            }
            (Action::Commit(_), Phase::Due(tick)) => {
                // The tick's row is there already: the whole transaction is refused.
                let refused = *self == Self::OnlyTheKey && tick < state.next;
                if !refused {
                    *next.jobs.get_mut(tick)? += 1;
                    next.next = next.next.max(tick + 1);
                }
                Phase::Idle
            }
            (Action::Commit(_), Phase::Enqueued(tick)) => {
                next.next = next.next.max(tick + 1);
                Phase::Idle
            }
            (Action::Die(_), _) => Phase::Dead,
            (Action::Enqueue(_) | Action::Commit(_), _) => return None,
        };
        if next.locked == Some(process) && matches!(action, Action::Commit(_) | Action::Die(_)) {
            next.locked = None;
        }
        *next.processes.get_mut(process)? = then;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONCE, |_, state: &State| state.jobs.iter().all(|jobs| *jobs <= 1)),
            Property::sometimes(ALL_TAKEN, |_, state: &State| {
                state.jobs.iter().all(|jobs| *jobs > 0) && state.processes.contains(&Phase::Dead)
            }),
        ]
    }
}

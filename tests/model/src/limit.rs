//! A model of limits per key: three jobs with one key that lets one run at a time.
//!
//! Every statement is an action of its own, so that any other may come between two: what a transaction has changed is seen by
//! others only after its commit, and what it reads is what had been committed when its statement began.
//!
//! | action | what it stands for |
//! |---|---|
//! | `Claim` | the job is claimed like any other |
//! | `Lock` | its judge locks the key's row, or waits for whoever has it |
//! | `Look` | a statement counts the jobs that run with the key |
//! | `Settle` | the verdict commits, and the lock is gone: it runs, or stands aside |
//! | `End` | its attempt's end is written, not committed: to others it still runs |
//! | `EndLock` | the end locks the key's row |
//! | `EndLook` | a statement sees who stands aside |
//! | `EndCommit` | the end commits, and with it the call to those that were seen |
//! | `Crash` | its process dies; a rescue gives it back, and sweeps the key under its lock |

use stateright::{Model, Property};

/// So many jobs share the key.
pub const JOBS: usize = 3;

/// So many may run.
const LIMIT: usize = 1;

/// Never more than the limit run.
pub const WITHIN: &str = "never more than the limit run";
/// Nobody stands aside for ever.
pub const NOT_FORGOTTEN: &str = "nobody stands aside for ever";
/// Some run ends with all jobs done: a protocol that does nothing breaks nothing.
pub const ALL_DONE: &str = "all jobs can be done";

/// A protocol. Each differs from [`Ours`](Self::Ours) in what its line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// The key is locked first, what runs is counted by the next statement, and the end does the same.
    Ours,
    /// What runs is counted in the statement that locks: in a snapshot from before the lock.
    CountInOneStatement,
    /// The end does not lock the key.
    EndWithoutLock,
    /// What runs is a number that begin and end change, in place of what is derived from the jobs.
    Counter,
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Phase {
    #[default]
    Ready,
    Claimed,
    /// Its judge has counted so many, without the lock.
    Counted(usize),
    /// Its judge has the lock, and may have counted.
    Locked(Option<usize>),
    Aside,
    Running,
    /// Its end is written and not committed.
    Ending,
    EndLocked,
    /// Its end has seen that these stand aside.
    EndLooked([bool; JOBS]),
    Done,
}

/// All that there is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct State {
    jobs: [Phase; JOBS],
    locked: bool,
    counter: usize,
    crashes: usize,
}

/// What may happen; the module's page says what each stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the table of the module's page describes all of them together")]
pub enum Action {
    Claim(usize),
    Lock(usize),
    Look(usize),
    Settle(usize),
    End(usize),
    EndLock(usize),
    EndLook(usize),
    EndCommit(usize),
    Crash(usize),
}

impl State {
    fn is_running(phase: Phase) -> bool {
        matches!(phase, Phase::Running | Phase::Ending | Phase::EndLocked | Phase::EndLooked(_))
    }

    fn running(&self) -> usize {
        self.jobs.iter().filter(|phase| Self::is_running(**phase)).count()
    }

    fn counted(&self, protocol: Protocol) -> usize {
        if protocol == Protocol::Counter { self.counter } else { self.running() }
    }

    fn aside(&self) -> [bool; JOBS] {
        self.jobs.map(|phase| phase == Phase::Aside)
    }

    /// Lets the first of those that were seen try again.
    fn call(&mut self, seen: [bool; JOBS]) {
        let first =
            self.jobs.iter_mut().zip(seen).find(|(phase, seen)| *seen && **phase == Phase::Aside);
        if let Some((phase, _)) = first {
            *phase = Phase::Ready;
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::default()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let at_once = *self == Self::CountInOneStatement;
        for (job, phase) in state.jobs.iter().enumerate() {
            match phase {
                Phase::Ready => actions.push(Action::Claim(job)),
                Phase::Claimed if at_once => actions.push(Action::Look(job)),
                Phase::Claimed | Phase::Counted(_) if !state.locked => {
                    actions.push(Action::Lock(job));
                }
                Phase::Locked(None) => actions.push(Action::Look(job)),
                Phase::Locked(Some(_)) => actions.push(Action::Settle(job)),
                Phase::Running => {
                    actions.push(Action::End(job));
                    // One process may die, whichever it is.
                    if state.crashes == 0 && !state.locked {
                        actions.push(Action::Crash(job));
                    }
                }
                Phase::Ending if *self == Self::EndWithoutLock => {
                    actions.push(Action::EndLook(job));
                }
                Phase::Ending if !state.locked => actions.push(Action::EndLock(job)),
                Phase::EndLocked => actions.push(Action::EndLook(job)),
                Phase::EndLooked(_) => actions.push(Action::EndCommit(job)),
                Phase::Claimed | Phase::Counted(_) | Phase::Aside | Phase::Ending | Phase::Done => {
                }
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        let counted = state.counted(*self);
        let (Action::Claim(job)
        | Action::Lock(job)
        | Action::Look(job)
        | Action::Settle(job)
        | Action::End(job)
        | Action::EndLock(job)
        | Action::EndLook(job)
        | Action::EndCommit(job)
        | Action::Crash(job)) = action;
        let phase = *state.jobs.get(job)?;
        let then = match (action, phase) {
            (Action::Claim(_), _) => Phase::Claimed,
            (Action::Look(_), Phase::Claimed) => Phase::Counted(counted),
            (Action::Look(_), _) => Phase::Locked(Some(counted)),
            (Action::Lock(_), _) => {
                next.locked = true;
                Phase::Locked(if let Phase::Counted(seen) = phase { Some(seen) } else { None })
            }
            (Action::Settle(_), Phase::Locked(Some(seen))) => {
                next.locked = false;
                if seen < LIMIT {
                    next.counter += 1;
                    Phase::Running
                } else {
                    Phase::Aside
                }
            }
            (Action::End(_), _) => Phase::Ending,
            (Action::EndLock(_), _) => {
                next.locked = true;
                Phase::EndLocked
            }
            (Action::EndLook(_), _) => Phase::EndLooked(state.aside()),
            (Action::EndCommit(_), Phase::EndLooked(seen)) => {
                if *self != Self::EndWithoutLock {
                    next.locked = false;
                }
                next.counter = next.counter.saturating_sub(1);
                next.call(seen);
                Phase::Done
            }
            (Action::Crash(_), _) => {
                next.crashes += 1;
                Phase::Ready
            }
            (Action::Settle(_) | Action::EndCommit(_), _) => return None,
        };
        if let Some(phase) = next.jobs.get_mut(job) {
            *phase = then;
        }
        if matches!(action, Action::Crash(_)) && next.counted(*self) < LIMIT {
            let aside = next.aside();
            next.call(aside);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WITHIN, |_, state: &State| state.running() <= LIMIT),
            Property::always(NOT_FORGOTTEN, |_, state: &State| {
                let over = |phase: &Phase| matches!(phase, Phase::Aside | Phase::Done);
                !state.jobs.iter().all(over) || !state.jobs.contains(&Phase::Aside)
            }),
            Property::sometimes(ALL_DONE, |_, state: &State| {
                state.jobs.iter().all(|phase| *phase == Phase::Done)
            }),
        ]
    }
}

//! Where a replay listens in: what the code asks for, and what it would begin. Production code does not notice it.

use super::World;
use crate::failure::Result;

#[cfg(any(test, feature = "testing"))]
pub(crate) use listening::{Replay, Stopped};

#[cfg(any(test, feature = "testing"))]
impl World {
    /// The code asks for a step: it may be answered from its checkpoint.
    pub(super) fn asks(&self, step: &str) -> Result {
        self.replay.as_ref().map_or(Ok(()), |replay| replay.asks(step))
    }

    /// A step that its checkpoint does not answer is about to begin, or to look again whether it can.
    pub(super) fn begins(&self, step: &str) -> Result {
        self.replay
            .as_ref()
            .map_or(Ok(()), |replay| Err(replay.stop(Stopped::Before(step.to_owned()))))
    }

    /// What was skipped or given up in the history stays so.
    pub(super) fn replays(&self) -> bool {
        self.replay.is_some()
    }
}

#[cfg(not(any(test, feature = "testing")))]
#[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "with a replay, they decide")]
impl World {
    /// Nothing, outside tests.
    pub(super) const fn asks(&self, _: &str) -> Result {
        Ok(())
    }

    /// Nothing, outside tests.
    pub(super) const fn begins(&self, _: &str) -> Result {
        Ok(())
    }

    /// Never, outside tests.
    pub(super) const fn replays(&self) -> bool {
        false
    }
}

#[cfg(any(test, feature = "testing"))]
mod listening {
    use std::collections::HashMap;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use crate::failure::{Result, Stop};
    use crate::ops::RunHistory;
    use crate::run::Run;
    use crate::run::checkpoint::Checkpoint;
    use crate::run::resume::state_of;

    /// What a replay hears. Once it has stopped, no verb answers any more, whatever the code makes of that.
    pub(crate) struct Replay {
        /// The stored steps, and whether their outputs are sealed.
        stored: HashMap<String, bool>,
        heard: Mutex<Heard>,
    }

    #[derive(Debug, Clone, Default)]
    pub(crate) struct Heard {
        /// The stored steps that were asked for, in order.
        pub(crate) asked: Vec<String>,
        pub(crate) stopped: Option<Stopped>,
    }

    /// Why a replay cannot go on.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) enum Stopped {
        /// This step would begin.
        Before(String),
        /// This step's output is sealed.
        Sealed(String),
    }

    impl Replay {
        pub(crate) fn of(history: &RunHistory) -> Self {
            let stored = history.steps.iter().map(|step| (step.name.clone(), step.sealed));
            Self { stored: stored.collect(), heard: Mutex::default() }
        }

        pub(crate) fn heard(&self) -> Heard {
            self.lock().clone()
        }

        pub(super) fn asks(&self, step: &str) -> Result {
            let mut heard = self.lock();
            if heard.stopped.is_some() {
                return Err(Stop::Lost);
            }
            let Some(sealed) = self.stored.get(step) else { return Ok(()) };
            heard.asked.push(step.to_owned());
            drop(heard);
            if *sealed { Err(self.stop(Stopped::Sealed(step.to_owned()))) } else { Ok(()) }
        }

        /// Ends the attempt as one that has lost its job: nothing of it is written.
        pub(super) fn stop(&self, why: Stopped) -> Stop {
            self.lock().stopped.get_or_insert(why);
            Stop::Lost
        }

        fn lock(&self) -> MutexGuard<'_, Heard> {
            self.heard.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl<A> Run<'_, A> {
        /// Takes a stored run up as an attempt takes up its own. Whatever waits waits on: a history does not change with the day on
        /// which it is replayed.
        pub(crate) fn recall_from(&mut self, history: &RunHistory, retired: &[&str]) -> Result {
            let mut checkpoints = HashMap::with_capacity(history.steps.len());
            for step in &history.steps {
                let state = state_of(&step.name, &step.state)?;
                let (starts, output) = (step.starts, step.output.to_string());
                let (due, over, told) = (false, false, false);
                let checkpoint = Checkpoint { state, starts, outages: 0, due, over, output, told };
                checkpoints.insert(step.name.clone(), checkpoint);
            }
            self.take_up(checkpoints, retired)
        }

        /// Whether it is being undone.
        pub(crate) const fn is_undoing(&self) -> bool {
            self.undoing.is_some()
        }
    }
}

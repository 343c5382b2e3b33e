//! Waiting: for a time, for an event, for what waits above.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answer::decode_output;
use super::checkpoint::programming_error;
use super::{Run, Step};
use crate::committer::{StepState, StepWrite, Wake};
use crate::failure::{Result, Stop};
use crate::ops::events::{check_key, event_name};

impl<A> Run<'_, A> {
    /// Goes on after `time`, by the database's clock. Costs a row, no attempt and no memory meanwhile.
    ///
    /// # Errors
    /// [`Stop::Parked`] until the time has passed: `?` ends the attempt.
    pub async fn sleep(&mut self, name: &'static str, time: Duration) -> Result {
        self.enter(name)?;
        if !self.is_done(name) {
            self.begins(name)?;
        }
        match self.checkpoints.get(name) {
            Some(step) if step.state == StepState::Done => Ok(()),
            Some(step) if step.due => {
                self.note(StepWrite::new(name, StepState::Done));
                Ok(())
            }
            Some(_) => self.park(),
            None => {
                let mut asleep = StepWrite::new(name, StepState::Waiting).detail("sleeping");
                asleep.wake = Some(Wake::In(time));
                self.note(asleep);
                self.park()
            }
        }
    }

    /// Goes on only when no step above waits for somebody else; until then the run is parked.
    ///
    /// # Errors
    /// [`Stop::Parked`] while a step waits: `?` ends the attempt.
    pub fn settle(&mut self) -> Result {
        match &self.undoing {
            // It did not come past here: what it fails with came before.
            Some(failure) if self.waiting => Err(Stop::Failed(failure.as_ref().clone())),
            None if self.waiting => self.park(),
            Some(_) | None => Ok(()),
        }
    }

    /// Waits for the event of this key, at the cost of a row: the first one with it counts, also one that came before
    /// ([`ops::events::emit`](crate::ops::events::emit)). `None` when it has not come in this time, counted from when the run
    /// first waited for it, by the database's clock.
    ///
    /// # Errors
    /// [`Stop::Parked`] until it comes: `?` ends the attempt. A failure when the event does not fit `T`.
    pub async fn wait_for<T>(
        &mut self,
        name: &'static str,
        event: &str,
        time: Duration,
    ) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned + Send,
    {
        self.enter(name)?;
        check_key(event).map_err(|problem| programming_error("event_key", problem))?;
        let known = self.checkpoints.get(name);
        let over = match known {
            Some(step) if step.state == StepState::Done => {
                return decode_output(name, &step.output);
            }
            Some(step) => step.over,
            None => false,
        };
        self.begins(name)?;
        let found: Option<String> = sqlx::query_file_scalar!("sql/event/payload.sql", event)
            .fetch_optional(&self.world.pool)
            .await?;
        if found.is_none() && !over {
            let mut waiting = StepWrite::new(name, StepState::Waiting)
                .detail(format!("waits for the event {event}"));
            waiting.wake = Some(Wake::Until { event: event_name(event), time });
            self.note(waiting);
            return Err(Stop::Parked);
        }
        let value: Option<T> = match found {
            Some(payload) => Some(serde_json::from_str(&payload).map_err(|error| {
                let message =
                    format!("the event {event} does not fit what step {name} expects: {error}");
                programming_error("event_changed_shape", message)
            })?),
            None => None,
        };
        let done = self.done(&Step::named(name), &value).await?;
        self.note(done);
        Ok(value)
    }

    const fn park(&self) -> Result {
        Err(Stop::Parked)
    }
}

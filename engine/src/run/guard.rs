//! Steps that say whom they call: held back while that is out of order, and never charged for it.

use std::time::Duration;

use tokio::time::error::Elapsed;

use super::at::Again;
use super::perform::{Promise, Weight, timed_out};
use super::spec::check_service;
use super::{At, Outcome, Run, Step};
use crate::breaker::{Call, Closed, Pass, Standing, Verdict};
use crate::committer::{AttemptFailure, StepState, StepWrite, Wake};
use crate::failure::{Class, Effect, Failure, Result, Stop, Wait};
use crate::ops::signal_name;
use crate::retry;

/// How a step's code ended, as its time limit saw it.
pub(super) type Ended<T> = std::result::Result<Result<T>, Elapsed>;

impl<A> At<'_, A> {
    /// Makes one of the step's calls, guarded as a step that [calls](Step::calls) this service is: while the service is out of order the call
    /// is not made and the step waits, and so it does where the call meets an outage; no attempt is spent. Calls before it in the step
    /// are made again then, so this is for [`Run::step`] and its like, whose code may run again in any case.
    ///
    /// The call is to have a time limit of its own: one that is cut off with the step tells nothing of the service.
    ///
    /// # Errors
    /// [`Stop::Waiting`] while the service is out of order, and what the call returns.
    pub async fn call<T>(
        &self,
        service: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        check_service(service);
        let to = Call {
            service,
            workspace: self.workspace,
            claim: self.claim,
            limit: self.call_timeout,
            is_retry: self.again.is_retry,
            outages: self.again.outages,
        };
        let pass = self.breakers.admit(to).await.map_err(|closed| Stop::Waiting(closed.into()))?;
        let result = call.await;
        let verdict = self.breakers.settle(pass, standing(&result)).await;
        match (result, verdict) {
            (Err(Stop::Failed(failure)), Some(verdict))
                if self.again.repeats || failure.effect == Effect::None =>
            {
                let pause = || {
                    let Again { outages, retry, .. } = self.again;
                    retry.pause(failure.class, outages.saturating_add(1), retry::random())
                };
                match verdict.wait(&failure, pause) {
                    Some(wait) => {
                        self.calls.note_outage();
                        Err(Stop::Waiting(wait))
                    }
                    None => Err(Stop::Failed(failure)),
                }
            }
            (result, _) => result,
        }
    }
}

impl From<Closed> for Wait {
    fn from(closed: Closed) -> Self {
        Self { event: closed.signal, look_again: closed.look_again, reason: closed.reason }
    }
}

impl Verdict {
    /// What who met this outage waits for; none where it counts like any other failure.
    fn wait(self, failure: &Failure, pause: impl FnOnce() -> Duration) -> Option<Wait> {
        match self {
            Self::Counts => None,
            Self::Open(closed) => Some(closed.into()),
            Self::Again { signal } => {
                Some(Wait { event: signal, look_again: pause(), reason: failure.to_string() })
            }
        }
    }
}

impl<A> Run<'_, A> {
    /// How the step under way may be done again.
    pub(super) fn again(&self) -> Again {
        let current = self.current.as_ref();
        Again {
            is_retry: current.is_some_and(|current| current.starts > 1 || current.outages > 0),
            outages: current.map_or(0, |current| current.outages.unsigned_abs()),
            retry: self.retry,
            repeats: current.is_some_and(|current| current.promise == Promise::AtLeastOnce),
        }
    }

    /// Asks whether whom the step calls may be called. None where it calls nobody.
    pub(super) async fn admit(&self, step: &Step) -> std::result::Result<Option<Pass>, Closed> {
        let Some(service) = step.service else { return Ok(None) };
        let known = self.checkpoints.get(step.name).map_or(0, |checkpoint| checkpoint.starts);
        let begun = self.begun.as_ref().filter(|begun| begun.step == step.name);
        let starts = begun.map_or(known, |begun| begun.starts.max(known));
        let outages = self.outages(step.name);
        let call = Call {
            service,
            workspace: self.workspace,
            claim: self.claim,
            limit: self.limit(step),
            is_retry: starts > 0 || outages > 0,
            outages: outages.unsigned_abs(),
        };
        self.world.breakers.admit(call).await.map(Some)
    }

    /// The call was not made after all.
    pub(super) async fn not_called(&self, pass: Option<Pass>) {
        if let Some(pass) = pass {
            let _none = self.world.breakers.settle(pass, Standing::Unknown).await;
        }
    }

    /// A step whose call is not to be made now: it waits, as if it had not been come to. What the run can do without is left out.
    pub(super) fn hold_back<T>(
        &mut self,
        step: &Step,
        promise: Promise,
        weight: Weight,
        closed: Closed,
    ) -> Result<Outcome<T>> {
        // It is left out where that is out of order, not where we have called too often.
        if weight == Weight::Optional && closed.is_out_of_order {
            self.degraded = true;
            self.note(StepWrite::new(step.name, StepState::Skipped).detail(closed.reason));
            return Ok(Outcome::Skipped);
        }
        let mut waiting = StepWrite::new(step.name, StepState::Waiting).detail(closed.reason);
        let known = self.checkpoints.get(step.name);
        waiting.starts = known.map_or(0, |checkpoint| checkpoint.starts);
        waiting.outages = known.map_or(0, |checkpoint| checkpoint.outages);
        if known.is_some_and(|checkpoint| checkpoint.state == StepState::Started) {
            // That it was begun stands in the record which is about to be written over: from now on the job's row says so.
            self.begin(step.name, promise);
        }
        let event = signal_name(&closed.signal);
        waiting.wake = Some(Wake::On { event, look_again: closed.look_again });
        self.pause(waiting);
        self.waiting = true;
        if weight == Weight::Required { Err(Stop::Parked) } else { Ok(Outcome::Waiting) }
    }

    /// Tells the breakers how the call ended. One that met an outage waits, and its attempt is not spent, unless nobody may repeat it.
    pub(super) async fn judge<T>(
        &mut self,
        pass: Option<Pass>,
        step: &Step,
        promise: Promise,
        weight: Weight,
        result: Ended<T>,
    ) -> Ended<T> {
        let Some(pass) = pass else { return result };
        let standing = match &result {
            Err(_elapsed) => Standing::Outage("it did not answer in time".to_owned()),
            Ok(Ok(_)) if self.calls.asked_nobody() => Standing::Unknown,
            Ok(result) => standing(result),
        };
        let Some(verdict) = self.world.breakers.settle(pass, standing).await else { return result };
        let result =
            result.unwrap_or_else(|_elapsed| Err(timed_out(step.name, self.limit(step), promise)));
        let Err(Stop::Failed(failure)) = result else { return Ok(result) };
        // Whether it took effect is not known, and nobody can be asked: waiting would end in doing it again.
        if promise == Promise::AtMostOnce && failure.effect != Effect::None {
            return Ok(Err(Stop::Failed(failure)));
        }
        let outages = self.current.map_or(0, |current| current.outages.unsigned_abs());
        let pause = || self.retry.pause(failure.class, outages.saturating_add(1), retry::random());
        let is_open = matches!(verdict, Verdict::Open(_));
        let Some(wait) = verdict.wait(&failure, pause) else {
            return Ok(Err(Stop::Failed(failure)));
        };
        if failure.effect != Effect::None
            && let Some(current) = &mut self.current
        {
            // Whoever knows is asked before it is done again.
            current.again = true;
        }
        let attempt = self.attempt;
        let (step, retry_in) = (Some(step.name), Some(wait.look_again));
        self.extras().failures.push(AttemptFailure { attempt, step, failure, retry_in });
        if is_open && weight == Weight::Optional {
            self.degraded = true;
            return Ok(Err(Stop::Skipped { reason: wait.reason }));
        }
        self.calls.note_outage();
        Ok(Err(Stop::Waiting(wait)))
    }
}

/// What the end of a call tells of whom it called.
fn standing<T>(result: &Result<T>) -> Standing {
    match result {
        Ok(_) => Standing::There,
        Err(Stop::Failed(failure)) => of(failure),
        Err(Stop::Skipped { .. } | Stop::Waiting(_) | Stop::Parked | Stop::Lost) => {
            Standing::Unknown
        }
    }
}

fn of(failure: &Failure) -> Standing {
    // Where our configuration is wrong, perhaps nobody was asked.
    let tells_nothing = matches!(failure.class, Class::ConfigurationError | Class::UnknownOutcome);
    if tells_nothing || failure.is_of_database() {
        Standing::Unknown
    } else if failure.class.is_outage() {
        let action = failure.action.as_ref().map(|action| format!("; {action}"));
        Standing::Outage(format!("{failure}{}", action.unwrap_or_default()))
    } else {
        Standing::There
    }
}

//! Children: runs of their own that belong to this one.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::decode_output;
use super::checkpoint::programming_error;
use super::{Run, Step};
use crate::committer::{Family, StepState, StepWrite, Wake};
use crate::enqueue::NewJob;
use crate::enqueue::sealed::sealed;
use crate::failure::{Class, Failure, Result, Stop};
use crate::family::{child_of, event_of, results};
use crate::ids::JobId;
use crate::job::Job;
use crate::limit::Limit;

/// A parent looks at its children this often even if nobody tells it that they have ended.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(3_600);

/// A list of more children than this is refused: it would be written in one transaction.
const MOST: usize = 10_000;

/// A job that a run has spawned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Child(JobId);

impl Child {
    /// Its job, and run.
    #[must_use]
    pub const fn job(self) -> JobId {
        self.0
    }
}

impl<A> Run<'_, A> {
    /// Spawns a child: a job that exists from this run's next write on, together with the checkpoint that says so, and once,
    /// however often the step is repeated. It is cancelled with its parent, and outlives its parent's end otherwise. A fork that
    /// has taken the step over has the child of the run that it was forked from.
    ///
    /// # Errors
    /// When it cannot be written as JSON, or has a unique key: a child is nobody else's job. When its kind is sealed and it cannot be.
    pub async fn spawn<J: Job>(&mut self, name: &'static str, job: &J) -> Result<Child> {
        self.enter(name)?;
        if let Some(output) = self.done_output(name) {
            return decode_output(name, output);
        }
        self.begins(name)?;
        let child = child_of(self.claim.job, name, None);
        let job = self.child(NewJob::of(job), child, event_of(self.claim.job, name)).await?;
        self.extras().spawn.push(job);
        let mut done = StepWrite::new(name, StepState::Done);
        done.output = Some(format!("\"{child}\""));
        self.note(done);
        Ok(Child(child))
    }

    /// Waits for the end of the child that the step `spawned` has spawned, and takes its output: what it gave with
    /// [`Run::output`], `null` where it gave none.
    ///
    /// # Errors
    /// [`Stop::Parked`] until it has ended: `?` ends the attempt. A failure when it was cancelled or set aside, or its output
    /// does not fit `T`.
    pub async fn join<T>(&mut self, name: &'static str, spawned: &'static str) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send,
    {
        self.enter(name)?;
        if let Some(output) = self.done_output(name) {
            return decode_output(name, output);
        }
        self.begins(name)?;
        let child = match self.done_output(spawned) {
            Some(output) => decode_output::<Child>(spawned, output)?.job(),
            None => child_of(self.claim.job, spawned, None),
        };
        let event = event_of(self.claim.job, spawned);
        if self.extras().spawn.iter().any(|job| job.id() == child) {
            return Err(self.wait_for_children(name, event));
        }
        let ended = results(&self.world.pool, &[child]).await?.into_iter().next();
        let result = match ended {
            Some(live) if live.is_live() => {
                // That of its own parent, where this is a fork.
                let event = live.wakes.unwrap_or(event);
                return Err(self.wait_for_children(name, event));
            }
            Some(ended) => ended.result(child),
            None => Err(format!("child {child} is gone")),
        };
        let value: T = result.map_err(child_failed)?;
        let done = self.done(&Step::named(name), &value).await?;
        self.note(done);
        Ok(value)
    }

    /// Runs a child for each of these jobs, `at_a_time` of them at the same time over the whole fleet, and waits until all have
    /// ended: their outputs in the order of the jobs, or why one has none. Each is an ordinary job, retried by its own policy.
    ///
    /// # Errors
    /// [`Stop::Parked`] until all have ended: `?` ends the attempt. A failure when they are more than 10,000, when a job cannot
    /// be a child, or an output does not fit `T`.
    pub async fn each<J, T>(
        &mut self,
        name: &'static str,
        jobs: &[J],
        at_a_time: u32,
    ) -> Result<Vec<std::result::Result<T, String>>>
    where
        J: Job,
        T: Serialize + DeserializeOwned + Send,
    {
        self.enter(name)?;
        if let Some(output) = self.done_output(name) {
            return decode_output(name, output);
        }
        self.begins(name)?;
        if jobs.len() > MOST {
            return Err(programming_error(
                "too_many_children",
                format!("step {name} has {} children; {MOST} are the most: nest them", jobs.len()),
            ));
        }
        let children: Vec<JobId> =
            (0..jobs.len()).map(|place| child_of(self.claim.job, name, Some(place))).collect();
        let event = event_of(self.claim.job, name);
        let ended = if self.checkpoints.contains_key(name) || jobs.is_empty() {
            self.ends_of(&children).await?
        } else {
            for (job, child) in jobs.iter().zip(&children) {
                let new = NewJob::of(job)
                    .and_then(|job| job.limited(Limit::concurrency(&event, at_a_time)));
                let job = self.child(new, *child, event.clone()).await?;
                self.extras().spawn.push(job);
            }
            None
        };
        let Some(ended) = ended else { return Err(self.wait_for_children(name, event)) };
        let values: Vec<std::result::Result<T, String>> =
            ended.iter().zip(&children).map(|(ended, child)| ended.result(*child)).collect();
        let done = self.done(&Step::named(name), &values).await?;
        self.note(done);
        Ok(values)
    }

    /// Makes a job a child of this run.
    async fn child(
        &self,
        job: std::result::Result<NewJob, crate::EnqueueError>,
        id: JobId,
        wakes: String,
    ) -> Result<NewJob> {
        let refused = |error: crate::EnqueueError| programming_error("child", error.to_string());
        let family = Family { parent: self.claim.job.uuid(), wakes };
        let job = job.and_then(|job| job.child(id, family)).map_err(refused)?;
        Ok(sealed(job, self.world.vault.as_ref()).await?)
    }

    /// How all of them ended; none while one has not.
    async fn ends_of(&self, children: &[JobId]) -> Result<Option<Vec<crate::family::Ended>>> {
        let ended = results(&self.world.pool, children).await?;
        Ok((!ended.iter().any(crate::family::Ended::is_live)).then_some(ended))
    }

    fn wait_for_children(&mut self, name: &'static str, event: String) -> Stop {
        let mut waiting = StepWrite::new(name, StepState::Waiting).detail("waits for its children");
        waiting.wake = Some(Wake::On { event, look_again: LOOK_AGAIN });
        self.note(waiting);
        Stop::Parked
    }

    fn done_output(&self, name: &str) -> Option<&str> {
        let step = self.checkpoints.get(name)?;
        (step.state == StepState::Done).then_some(step.output.as_str())
    }
}

fn child_failed(problem: String) -> Stop {
    Stop::Failed(
        Failure::new(Class::ProvisioningError, "child_failed", problem)
            .action("see to the child, `autopilot jobs show`, retry it, then retry this run"),
    )
}

//! The jobs of a case: what they ask for, and code that does what the test wants of it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use autopilot_engine::{
    Class, EnqueueError, Failure, Job, Limit, NewJob, Priority, Result, Retry, Run, Unique,
    WorkspaceId,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use super::model::{RETRIES, RETRY_SECONDS};
use super::system::SLEEPS;
use super::transition::{Act, End, Joins, Kind, New};

/// The one workspace.
pub(super) fn tenant() -> WorkspaceId {
    WorkspaceId::from(Uuid::from_u128(7))
}

const RETRY_IN: Duration = Duration::from_secs(RETRY_SECONDS);

/// Every delay is the cap, whatever the jitter: the provider asks for as much.
const RETRY: Retry =
    Retry::exponential(Duration::from_secs(1)).cap(RETRY_IN).retries(RETRIES.unsigned_abs());

/// Where the test puts what the next attempt does, and is told that it stands still.
#[derive(Debug, Default)]
pub(super) struct Desk {
    script: Mutex<Script>,
    pub(super) hung: Notify,
}

impl Desk {
    pub(super) fn put(&self, script: Script) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
    }
}

/// What the next attempt does, whose job has slept so often before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Script {
    pub(super) act: Act,
    pub(super) slept: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self { act: Act { step: false, end: End::Completes }, slept: 0 }
    }
}

/// What jobs of both kinds say of themselves.
#[derive(Debug, Serialize, Deserialize)]
struct Traits {
    unique: bool,
    replaces: bool,
    limited: bool,
    tenant: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task(Traits);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Errand(Traits);

impl Traits {
    fn unique(&self) -> Option<Unique> {
        let unique = self.unique.then(|| Unique::key("the only one"))?;
        Some(if self.replaces { unique.replace() } else { unique })
    }

    fn limits(&self) -> Vec<Limit> {
        if self.limited { vec![Limit::concurrency("room", 1)] } else { Vec::new() }
    }

    fn workspace(&self) -> WorkspaceId {
        if self.tenant { tenant() } else { WorkspaceId::NONE }
    }
}

macro_rules! job {
    ($job:ident, $kind:expr) => {
        impl Job for $job {
            type App = Desk;
            const KIND: &'static str = $kind.name().0;
            const QUEUE: &'static str = $kind.name().1;
            const RETRY: Retry = RETRY;

            fn unique(&self) -> Option<Unique> {
                self.0.unique()
            }

            fn limits(&self) -> Vec<Limit> {
                self.0.limits()
            }

            fn workspace(&self) -> WorkspaceId {
                self.0.workspace()
            }

            async fn run(&self, run: &mut Run<'_, Self::App>) -> Result {
                follow(run).await
            }
        }
    };
}

job!(Task, Kind::Task);
job!(Errand, Kind::Errand);

/// Does what the script says, after what it has slept before.
async fn follow(run: &mut Run<'_, Desk>) -> Result {
    let Script { act, slept } = *run.app.script.lock().unwrap_or_else(PoisonError::into_inner);
    for sleep in SLEEPS.into_iter().take(slept) {
        run.sleep(sleep, Duration::ZERO).await?;
    }
    if act.step || act.end == End::Hangs {
        run.step("work", async |at| {
            if act.end == End::Hangs {
                at.app.hung.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(())
        })
        .await?;
    }
    let failure = |class| Failure::new(class, "scripted", "as the test wants it").into();
    match act.end {
        End::Completes | End::Hangs => Ok(()),
        End::Degrades => {
            run.degrade();
            Ok(())
        }
        End::Sleeps(seconds) => match SLEEPS.get(slept) {
            Some(sleep) => run.sleep(sleep, Duration::from_secs(seconds.unsigned_abs())).await,
            None => Ok(()),
        },
        End::Fails => Err(failure(Class::RateLimited { retry_after: Some(RETRY_IN) })),
        End::Gives => Err(failure(Class::ConfigurationError)),
        // As a panic, but nobody prints it.
        End::Panics => std::panic::resume_unwind(Box::new("as the test wants it")),
    }
}

/// The job that is asked for.
pub(super) fn new_job(new: New) -> std::result::Result<NewJob, EnqueueError> {
    let traits = Traits {
        unique: new.unique.is_some(),
        replaces: new.unique == Some(Joins::Replaces),
        limited: new.limited,
        tenant: new.tenant,
    };
    let job = match new.kind {
        Kind::Task => NewJob::of(&Task(traits))?,
        Kind::Errand => NewJob::of(&Errand(traits))?,
    };
    let priorities = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];
    let found = priorities.into_iter().find(|priority| priority.number() == new.priority);
    let job = job.priority(found.unwrap_or_default());
    let job = match new.delay {
        0 => job,
        delay => job.after(Duration::from_secs(delay.unsigned_abs())),
    };
    Ok(match new.key {
        Some(key) => job.key(&format!("key {key}")),
        None => job,
    })
}

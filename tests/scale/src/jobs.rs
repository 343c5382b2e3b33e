//! The jobs that are measured, and what their handlers note.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use autopilot_engine::{Job, Planned, Registry, Result, Run, Stop, Wait, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::latency::monotonic;

/// How long a run sleeps, or waits for an event that does not come.
const DAY: Duration = Duration::from_secs(86_400);

/// What the handlers of one process note.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    done: AtomicUsize,
    picked: Mutex<Vec<i64>>,
    /// Whether what runs wait for has come, for those that look.
    come: AtomicBool,
}

impl Notes {
    /// Jobs and runs whose code has come to its end.
    pub(crate) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// How long each stamped job took from its stamp to its handler, in nanoseconds.
    pub(crate) fn picked(&self) -> Vec<i64> {
        self.picked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on, what runs wait for has come: those that look go on.
    pub(crate) fn come(&self) {
        self.come.store(true, Ordering::Relaxed);
    }

    fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// All kinds.
pub(crate) fn registry() -> Registry<Notes> {
    Registry::new()
        .register::<Noop>()
        .register::<Seven>()
        .register::<Sleeps>()
        .register::<Waits>()
        .register::<Stamped>()
}

/// Does nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Noop {
    pub(crate) n: usize,
    pub(crate) workspace: WorkspaceId,
}

impl Job for Noop {
    type App = Notes;
    const KIND: &'static str = "scale.noop";

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    async fn run(&self, run: &mut Run<'_, Notes>) -> Result {
        run.app.count();
        Ok(())
    }
}

/// Seven steps, each durable before the next begins.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seven {
    pub(crate) n: usize,
}

impl Job for Seven {
    type App = Notes;
    const KIND: &'static str = "scale.seven";
    const STEPS: &'static [Planned] = &[
        Planned::new("one", 1),
        Planned::new("two", 1),
        Planned::new("three", 1),
        Planned::new("four", 1),
        Planned::new("five", 1),
        Planned::new("six", 1),
        Planned::new("seven", 1),
    ];

    async fn run(&self, run: &mut Run<'_, Notes>) -> Result {
        for (number, step) in Self::STEPS.iter().enumerate() {
            let _number: usize = run.step(step.name, async |_| Ok(number)).await?;
        }
        run.app.count();
        Ok(())
    }
}

/// Sleeps for a day.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sleeps {
    pub(crate) n: usize,
}

impl Job for Sleeps {
    type App = Notes;
    const KIND: &'static str = "scale.sleeps";
    const STEPS: &'static [Planned] = &[Planned::new("sleep", 1)];

    async fn run(&self, run: &mut Run<'_, Notes>) -> Result {
        run.sleep("sleep", DAY).await?;
        run.app.count();
        Ok(())
    }
}

/// Waits for an event of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waits {
    pub(crate) n: usize,
}

impl Waits {
    /// The event that the run waits for.
    pub(crate) fn event(&self) -> String {
        format!("scale.event/{}", self.n)
    }
}

impl Job for Waits {
    type App = Notes;
    const KIND: &'static str = "scale.waits";
    const STEPS: &'static [Planned] = &[Planned::new("ask", 1), Planned::new("wait", 1)];

    async fn run(&self, run: &mut Run<'_, Notes>) -> Result {
        let _asked: usize = run.step("ask", async |_| Ok(self.n)).await?;
        run.step("wait", async |at| -> Result<()> {
            if at.app.come.load(Ordering::Relaxed) {
                return Ok(());
            }
            Err(Stop::Waiting(Wait {
                event: self.event(),
                look_again: DAY,
                reason: "for the event".to_owned(),
            }))
        })
        .await?;
        run.app.count();
        Ok(())
    }
}

/// Notes how long it took from its stamp to its start.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stamped {
    pub(crate) stamp: i64,
}

impl Job for Stamped {
    type App = Notes;
    const KIND: &'static str = "scale.stamped";

    async fn run(&self, run: &mut Run<'_, Notes>) -> Result {
        let took = monotonic() - self.stamp;
        run.app.picked.lock().unwrap_or_else(PoisonError::into_inner).push(took);
        run.app.count();
        Ok(())
    }
}

//! Schedules: jobs that are enqueued at the ticks of a clock, each tick once, however many processes there are.

pub(crate) mod calendar;
pub(crate) mod written;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::enqueue::{EnqueueError, NewJob};
use crate::job::Job;
use calendar::Calendar;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 200;

/// What is done about ticks that nobody was there for: all processes were down, or the schedule was paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// Nothing: the next tick is the next. One that is at most a minute late is not missed.
    Skip,
    /// One job for the last of them.
    #[default]
    One,
    /// A job for each, the last thousand at most.
    All,
}

/// What is done where the job of the tick before has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The tick is skipped, and noted as skipped.
    #[default]
    Skip,
    /// Both run.
    Allow,
}

/// A tick of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When it was due.
    pub at: DateTime<Utc>,
}

/// Why a schedule makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// The text is no cron, or never fires.
    #[error(
        "the cron text {text:?} makes no sense: {reason}; it has five fields (minute, hour, day of month, month, day of \
         week), for example \"30 2 * * 1-5\", or is @hourly, @daily, @weekly, @monthly or @yearly"
    )]
    Text {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such zone.
    #[error("there is no time zone {zone:?}; it is a name like \"Europe/Berlin\" or \"UTC\"")]
    Zone {
        /// The name.
        zone: String,
    },
    /// The name is empty, too long or cannot be written.
    #[error(
        "the name {name:?} of a schedule has 1 to {LONGEST_NAME} bytes and no control characters"
    )]
    Name {
        /// The name.
        name: String,
    },
}

type Make = dyn Fn(Tick) -> Result<NewJob, EnqueueError> + Send + Sync;

/// A job that is enqueued at the ticks of a clock. Every process that knows the schedule looks after it; each tick is enqueued
/// once, in the transaction that notes it.
#[derive(Clone)]
pub struct Schedule {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) zone: String,
    pub(crate) calendar: Calendar,
    pub(crate) missed: Missed,
    pub(crate) overlap: Overlap,
    pub(crate) kind: String,
    pub(crate) make: Arc<Make>,
}

impl Schedule {
    /// A schedule of this name, which stands in rows and is never reused. The cron text has five fields and is read in UTC,
    /// unless [`zone`](Self::zone) says otherwise. `job` makes the job of a tick.
    ///
    /// # Errors
    /// When the text makes no sense or never fires, or the name cannot be kept.
    pub fn new<J: Job>(
        name: &str,
        cron: &str,
        job: impl Fn(Tick) -> J + Send + Sync + 'static,
    ) -> Result<Self, CronError> {
        Self::with(name, cron, J::KIND.to_owned(), Arc::new(move |tick| NewJob::of(&job(tick))))
    }

    /// A schedule that enqueues the same job at each tick, of a kind that is known by name only, from a configuration file.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(name: &str, cron: &str, job: &NewJob) -> Result<Self, CronError> {
        let job = job.clone();
        Self::with(name, cron, job.kind.clone(), Arc::new(move |_| Ok(job.again())))
    }

    fn with(name: &str, cron: &str, kind: String, make: Arc<Make>) -> Result<Self, CronError> {
        check_name(name)?;
        let zone = "UTC".to_owned();
        Ok(Self {
            name: name.to_owned(),
            text: cron.to_owned(),
            calendar: Calendar::parse(cron, &zone)?,
            zone,
            missed: Missed::default(),
            overlap: Overlap::default(),
            kind,
            make,
        })
    }

    /// Reads the cron text in this zone, clock changes and all: a local time that is skipped ticks at the first instant that
    /// exists, one that comes twice ticks the first time.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn zone(mut self, zone: &str) -> Result<Self, CronError> {
        self.calendar = Calendar::parse(&self.text, zone)?;
        zone.clone_into(&mut self.zone);
        Ok(self)
    }

    /// What is done about missed ticks; [`Missed::One`] where nothing is said.
    #[must_use]
    pub const fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// What is done where the job of the tick before has not ended; [`Overlap::Skip`] where nothing is said.
    #[must_use]
    pub const fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }
}

fn check_name(name: &str) -> Result<(), CronError> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(CronError::Name { name: name.to_owned() });
    }
    Ok(())
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schedule")
            .field("name", &self.name)
            .field("text", &self.text)
            .field("zone", &self.zone)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Missed {
    /// Which of the ticks that are due are enqueued, late as they are.
    pub(crate) fn choose(self, due: Vec<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        const LATE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
        let last = due.last().copied();
        match self {
            Self::All => due,
            Self::One => Vec::from_iter(last),
            Self::Skip => last.into_iter().filter(|last| now - *last <= LATE).collect(),
        }
    }

    /// How many of them are looked for.
    pub(crate) const fn most(self) -> usize {
        match self {
            Self::All => 1_000,
            Self::One | Self::Skip => 1,
        }
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_skipped_taken_once_or_all() {
        let at = |minute: i64| DateTime::from_timestamp(1_800_000_000 + 60 * minute, 0).unwrap();
        let due = || vec![at(0), at(1), at(2)];
        assert_eq!(Missed::All.choose(due(), at(10)), due());
        assert_eq!(Missed::One.choose(due(), at(10)), [at(2)]);
        assert!(Missed::Skip.choose(due(), at(10)).is_empty());
        assert_eq!(Missed::Skip.choose(due(), at(3)), [at(2)], "a minute late is on time");
    }
}

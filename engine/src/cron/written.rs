//! Schedules that are written down outside of the code, in a configuration file: kinds are names there, payloads are JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::calendar::Calendar;
use super::{CronError, Missed, Overlap, Schedule, check_name};
use crate::enqueue::NewJob;
use crate::job::Priority;
use crate::registry::{Registry, UnknownJob};

/// The zone where none is named.
const UTC: &str = "UTC";

/// A schedule as somebody writes it down. What is left out is as in code; without `cron` and `kind` it is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WrittenSchedule {
    /// When it ticks, see [`Schedule::new`].
    pub cron: String,
    /// Whose local time that is.
    pub zone: String,
    /// The kind of its jobs, which is registered.
    pub kind: String,
    /// The job that is enqueued at each tick. Where there is none, what the kind reads from an empty object, or from nothing.
    pub payload: Option<Value>,
    /// What is done about missed ticks.
    pub missed: Missed,
    /// What is done where the job of the tick before has not ended.
    pub overlap: Overlap,
    /// Another lane than the kind's own.
    pub priority: Option<Priority>,
}

/// What is wrong with a schedule that is written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Its name, its cron text or its zone.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// Its kind or its payload.
    #[error(transparent)]
    Job(#[from] UnknownJob),
    /// Its name is that of a schedule which is registered already.
    #[error("the program has a schedule {0:?} of its own: each would take the ticks of the other")]
    Taken(String),
}

impl ScheduleError {
    /// Which field of a [`WrittenSchedule`] is wrong; none where it is the name.
    #[must_use]
    pub const fn field(&self) -> Option<&'static str> {
        match self {
            Self::Cron(CronError::Text { .. }) => Some("cron"),
            Self::Cron(CronError::Zone { .. }) => Some("zone"),
            Self::Job(UnknownJob::Kind(..)) => Some("kind"),
            Self::Job(UnknownJob::Payload(..) | UnknownJob::Enqueue(_)) => Some("payload"),
            Self::Cron(CronError::Name { .. }) | Self::Taken(_) => None,
        }
    }
}

impl Default for WrittenSchedule {
    fn default() -> Self {
        Self {
            cron: String::new(),
            zone: UTC.to_owned(),
            kind: String::new(),
            payload: None,
            missed: Missed::default(),
            overlap: Overlap::default(),
            priority: None,
        }
    }
}

impl<A: Send + Sync + 'static> Registry<A> {
    /// The schedule that is written down under this name, of a kind that is registered; it is not registered by this, see
    /// [`schedule`](Self::schedule). The payload is read as the kind reads it, once and here: a tick cannot fail on it.
    ///
    /// # Errors
    /// All that is wrong with it, at once.
    pub fn written_schedule(
        &self,
        name: &str,
        written: &WrittenSchedule,
    ) -> Result<Schedule, Vec<ScheduleError>> {
        let clock = [
            check_name(name).err(),
            Calendar::parse(&written.cron, UTC).err(),
            Calendar::parse("@daily", &written.zone).err(),
        ];
        let mut wrong: Vec<ScheduleError> = clock.into_iter().flatten().map(Into::into).collect();
        if self.schedules().iter().any(|schedule| schedule.name == name) {
            wrong.push(ScheduleError::Taken(name.to_owned()));
        }
        let job = match self.written_job(written) {
            Ok(job) if wrong.is_empty() => job,
            Ok(_) => return Err(wrong),
            Err(error) => {
                wrong.push(error.into());
                return Err(wrong);
            }
        };
        let schedule = Schedule::of(name, &written.cron, &job)
            .and_then(|schedule| schedule.zone(&written.zone))
            .map_err(|error| vec![error.into()])?;
        Ok(schedule.missed(written.missed).overlap(written.overlap))
    }

    fn written_job(&self, written: &WrittenSchedule) -> Result<NewJob, UnknownJob> {
        let read = |payload: &Value| self.new_job(&written.kind, payload);
        let job = match &written.payload {
            Some(payload) => read(payload)?,
            // A job without fields may be written `struct Sweep {}` or `struct Sweep;`, and JSON tells them apart.
            None => read(&json!({}))
                .or_else(|error| read(&Value::Null).map_err(|_nor_from_nothing| error))?,
        };
        Ok(match written.priority {
            Some(priority) => job.priority(priority),
            None => job,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Result;
    use crate::job::Job;
    use crate::run::Run;

    #[derive(Serialize, Deserialize)]
    struct Report {
        all: bool,
    }

    #[derive(Serialize, Deserialize)]
    struct Sweep;

    #[derive(Serialize, Deserialize)]
    struct Tidy {}

    macro_rules! job {
        ($name:ident, $kind:literal) => {
            impl Job for $name {
                type App = ();
                const KIND: &'static str = $kind;

                async fn run(&self, _: &mut Run<'_, ()>) -> Result {
                    Ok(())
                }
            }
        };
    }

    job!(Report, "report");
    job!(Sweep, "sweep");
    job!(Tidy, "tidy");

    fn registry() -> Registry<()> {
        let own = Schedule::new("own", "@daily", |_| Tidy {}).unwrap();
        Registry::new().register::<Report>().register::<Sweep>().register::<Tidy>().schedule(own)
    }

    fn read(written: Value) -> WrittenSchedule {
        serde_json::from_value(written).unwrap()
    }

    #[test]
    fn what_is_written_is_the_schedule_that_the_code_would_make() {
        let written = read(json!({
            "cron": "0 3 * * *", "zone": "Europe/Berlin", "kind": "report", "payload": { "all": true },
            "missed": "all", "overlap": "allow", "priority": "low",
        }));
        let schedule = registry().written_schedule("nightly", &written).unwrap();
        let coded = Schedule::new("nightly", "0 3 * * *", |_| Report { all: true }).unwrap();
        let coded = coded.zone("Europe/Berlin").unwrap();
        assert_eq!(format!("{schedule:?}"), format!("{coded:?}"));
        assert_eq!((schedule.missed, schedule.overlap), (Missed::All, Overlap::Allow));
        let at = chrono::DateTime::UNIX_EPOCH;
        let job = (schedule.make)(super::super::Tick { at }).unwrap();
        assert_eq!((job.payload.as_str(), job.priority), ("{\"all\":true}", Priority::Low));
    }

    #[test]
    fn what_is_left_out_is_as_in_code() {
        for kind in ["sweep", "tidy"] {
            let written = read(json!({ "cron": "@hourly", "kind": kind }));
            let schedule = registry().written_schedule("s", &written).unwrap();
            assert_eq!(schedule.zone, "UTC");
            assert_eq!((schedule.missed, schedule.overlap), (Missed::One, Overlap::Skip));
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_and_by_field() {
        let told = |name, written| -> Vec<Option<&str>> {
            let wrong = registry().written_schedule(name, &read(written)).unwrap_err();
            wrong.iter().map(ScheduleError::field).collect()
        };
        let all = json!({ "cron": "61 * * * *", "zone": "Mars/Base", "kind": "reprot" });
        assert_eq!(told("", all), [None, Some("cron"), Some("zone"), Some("kind")]);
        let missing = json!({ "cron": "@daily", "kind": "report" });
        assert_eq!(told("own", missing), [None, Some("payload")]);
    }
}

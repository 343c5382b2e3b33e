//! `autopilot schedules`: what ticks, and when.

use autopilot_engine::ops::schedules::{self, ScheduleView};
use serde_json::json;

use crate::cli::Schedules;
use crate::config::Database;
use crate::console::{Console, table};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::NotFound`] for a schedule that does not exist; [`Exit::Failed`] where nobody looks after it, or somebody does.
pub(crate) async fn run(
    command: Schedules,
    config: &Database,
    console: Console,
) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    let (name, done) = match command {
        Schedules::List => {
            let found = schedules::list(&pool).await?;
            console.show(&found, || table(HEAD, found.iter().map(row).collect()))?;
            return Ok(Exit::Ok);
        }
        Schedules::Pause { name, reason } => {
            schedules::pause(&pool, &name, &reason).await?;
            (name, "is paused")
        }
        Schedules::Resume { name } => {
            schedules::resume(&pool, &name).await?;
            (name, "goes on")
        }
        Schedules::Run { name } => {
            schedules::run_now(&pool, &name).await?;
            (name, "ticks within five seconds")
        }
        Schedules::Remove { name } => {
            schedules::remove(&pool, &name).await?;
            (name, "is forgotten")
        }
    };
    console
        .show(&json!({ "schedule": name, "status": done }), || vec![format!("{name} {done}")])?;
    Ok(Exit::Ok)
}

const HEAD: [&str; 7] = ["SCHEDULE", "CRON", "ZONE", "KIND", "LAST (UTC)", "NEXT (UTC)", "NOTE"];

fn row(schedule: &ScheduleView) -> [String; 7] {
    let at = |at: Option<chrono::DateTime<chrono::Utc>>| {
        at.map_or_else(|| "never".to_owned(), |at| at.format("%F %T").to_string())
    };
    let note = match (&schedule.reason, schedule.known) {
        (Some(reason), _) if schedule.paused => format!("paused: {reason}"),
        (_, false) => "no living worker looks after it".to_owned(),
        (_, true) => String::new(),
    };
    [
        schedule.name.clone(),
        schedule.cron.clone(),
        schedule.zone.clone(),
        schedule.kind.clone(),
        at(schedule.last_at),
        at(schedule.next_at),
        note,
    ]
}

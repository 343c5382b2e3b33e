//! `autopilot retention`: for how long what has ended is kept, and what takes how much room.

use autopilot_engine::ops::retention::{self, Partition, Rule};
use serde_json::json;

use crate::cli::Retention;
use crate::config::Database;
use crate::console::{Console, table};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

const DAY: i64 = 24 * 60 * 60;

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::NotFound`] where a queue has no rule of its own to take away.
pub(crate) async fn run(
    command: Retention,
    config: &Database,
    console: Console,
) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    match command {
        Retention::List => {
            let rules = retention::rules(&pool).await?;
            console.show(&rules, || table(RULES, rules.iter().map(rule).collect()))?;
        }
        Retention::Set { outcome, keep, queue } => {
            let goes = retention::set(&pool, queue.as_deref(), outcome.name(), keep).await?;
            let value = json!({ "queue": queue, "outcome": outcome.name(), "seconds": keep.as_secs(), "goes": goes });
            console.show(&value, || {
                vec![format!(
                    "what ends {} now goes on {goes} (UTC); what has ended keeps its day",
                    outcome.name()
                )]
            })?;
        }
        Retention::Unset { outcome, queue } => {
            let unset = retention::unset(&pool, &queue, outcome.name()).await?;
            let status = if unset { "is kept as in all queues" } else { "had no rule of its own" };
            let value = json!({ "queue": queue, "outcome": outcome.name(), "unset": unset });
            console.show(&value, || {
                vec![format!("what ends {} in {queue} {status}", outcome.name())]
            })?;
            return Ok(if unset { Exit::Ok } else { Exit::NotFound });
        }
        Retention::Partitions => {
            let found = retention::partitions(&pool).await?;
            console.show(&found, || table(PARTITIONS, found.iter().map(partition).collect()))?;
        }
        Retention::Tend => {
            let tended = retention::tend(&pool).await?;
            console.show(&tended, || {
                vec![format!(
                    "{} made, {} dropped, {} in use and left for later",
                    tended.made, tended.dropped, tended.later
                )]
            })?;
        }
    }
    Ok(Exit::Ok)
}

const RULES: [&str; 4] = ["QUEUE", "OUTCOME", "KEPT", "WHAT ENDS NOW GOES ON (UTC)"];

fn rule(rule: &Rule) -> [String; 4] {
    let queue = rule.queue.clone().unwrap_or_else(|| "(all others)".to_owned());
    [queue, rule.outcome.clone(), format!("{}d", rule.seconds / DAY), rule.goes.to_string()]
}

const PARTITIONS: [&str; 4] = ["WHAT", "DAY OR MONTH (UTC)", "ROWS", "KIB"];

fn partition(partition: &Partition) -> [String; 4] {
    let day = match partition.day {
        None => "(none was there)".to_owned(),
        Some(day) if partition.what == "history" => format!("goes on {day}"),
        Some(day) => format!("jobs of {}", day.format("%Y-%m")),
    };
    let kib = (partition.bytes / 1024).to_string();
    [partition.what.clone(), day, format!("~{}", partition.rows), kib]
}

//! The same work with and without a million scheduled jobs, or ten million ended ones, in the tables.

use std::error::Error;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::ballast;
use crate::footprint::Footprint;
use crate::report;
use crate::sides::Sides;

/// Jobs that are scheduled for tomorrow.
pub(crate) async fn scheduled(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let jobs: i64 = arguments.get("scheduled", 1_000_000)?;
    let sides = Sides::start().await?;
    ballast::scheduled(&sides.laden.pool, jobs).await?;
    compare("scheduled", &format!("{jobs} jobs scheduled for tomorrow"), sides, arguments).await
}

/// Jobs that have ended.
pub(crate) async fn history(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let jobs: i64 = arguments.get("history", 10_000_000)?;
    let sides = Sides::start().await?;
    ballast::history(&sides.laden.pool, jobs).await?;
    compare("history", &format!("{jobs} ended jobs, every fiftieth a run"), sides, arguments).await
}

async fn compare(
    work: &str,
    ballast: &str,
    sides: Sides,
    arguments: &Arguments,
) -> Result<(), Box<dyn Error>> {
    let footprint = Footprint::settled(&sides.laden.pool).await?;
    let mut figures = sides.compare(arguments).await?;
    for name in ["job", "history"] {
        let bytes = footprint.of(name).map_or(0, |table| table.bytes);
        figures.insert(format!("{name}_bytes"), json!(bytes));
    }
    let settings = format!(
        "{ballast}, in one of two databases of one server that take turns; in each turn a backlog is enqueued by one \
         caller in batches of 1,000 and drained, single jobs are picked up by an idle process, and operators ask"
    );
    report::answer(work, &settings, Value::Object(figures));
    Ok(())
}

//! `autopilot jobs search|cancel-all|retry-all`: many jobs, by what they have in common.

use autopilot_engine::ops::many::{self, Live, Selection};
use autopilot_engine::ops::{self, Found};
use serde_json::json;
use sqlx::PgPool;

use crate::cli::{CancelAll, RetryAll, Search, Which};
use crate::console::{Console, table, utc};
use crate::exit::Exit;
use crate::fail::Fail;

fn selection(which: Which) -> Selection {
    let Which { workspace, kind, queue, tag } = which;
    Selection { workspace, kind, queue, tag }
}

/// Ends all that fit.
///
/// # Errors
/// The database's.
pub(super) async fn cancel(pool: &PgPool, args: CancelAll, console: Console) -> Result<Exit, Fail> {
    let which = selection(args.which);
    let count = many::cancel(pool, &which, args.status.map(Live::from), args.older_than).await?;
    console.show(&json!({ "cancelled": count }), || vec![format!("{count} cancelled")])?;
    Ok(Exit::Ok)
}

/// Puts dead letters back to work.
///
/// # Errors
/// [`Exit::Failed`] for a rate that makes no sense.
pub(super) async fn retry(pool: &PgPool, args: RetryAll, console: Console) -> Result<Exit, Fail> {
    let done = many::redrive(pool, &selection(args.which), args.per_second).await?;
    let many::Redriven { queued, kept } = done;
    console.show(&json!({ "queued": queued, "kept": kept }), || {
        let mut lines = vec![format!("{queued} are in the queue again")];
        if kept > 0 {
            lines.push(format!("{kept} stay as they are: live jobs have their unique keys"));
        }
        lines
    })?;
    Ok(Exit::Ok)
}

/// Looks for jobs.
///
/// # Errors
/// The database's.
pub(super) async fn search(pool: &PgPool, args: Search, console: Console) -> Result<Exit, Fail> {
    let Search { tag, output, workspace, kind, limit } = args;
    let search =
        ops::Search { tags: tag, output, workspace, kind, before: None, limit: limit.into() };
    let found = ops::search(pool, &search).await?;
    console.show(&found, || {
        let row = |job: &Found| {
            [
                job.id.to_string(),
                job.status.clone(),
                utc(job.at),
                job.tags.join(" "),
                job.output.as_ref().map(ToString::to_string).unwrap_or_default(),
            ]
        };
        table(["JOB", "STATUS", "AT (UTC)", "TAGS", "OUTPUT"], found.iter().map(row).collect())
    })?;
    Ok(Exit::Ok)
}

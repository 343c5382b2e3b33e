//! `autopilot runs`: durable runs, as an operator sees them.

mod fork;
mod view;

use std::io::{self, Write as _};
use std::time::Duration;

use autopilot_engine::JobId;
use autopilot_engine::ops::jobs::Filter;
use autopilot_engine::ops::{self, OpsError, Resolution, runs};
use chrono::Utc;
use serde_json::json;
use sqlx::PgPool;

use crate::cli::{List, Resolve, Runs};
use crate::config::Config;
use crate::console::{Console, table, utc};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::render::{self, RunView, Screen};

/// How often a run that is followed is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::NotFound`] for a run that does not exist; [`Exit::Failed`] where its state does not allow it.
pub(crate) async fn run(command: Runs, config: &Config, console: Console) -> Result<Exit, Fail> {
    let pool = database::open(&config.database).await?;
    match command {
        Runs::List(args) => list(&pool, &args, console).await,
        Runs::Show(args) => show(&pool, args.id, console).await,
        Runs::Watch(args) => watch(&pool, args.id, console).await,
        Runs::Retry(args) => retry(&pool, args.id, console).await,
        Runs::Resolve(args) => resolve(&pool, args, console).await,
        Runs::Cancel(args) => cancel(&pool, args.id, console).await,
        Runs::Fork(args) => fork::run(&pool, &args, config, console).await,
        Runs::Export(args) => export(&pool, args.id, console).await,
    }
}

/// What to list.
pub(super) fn filter(args: &List) -> Filter {
    Filter {
        workspace: args.workspace,
        kind: None,
        status: args.status.clone(),
        limit: args.limit.into(),
    }
}

/// Puts a job or a run back to work.
pub(super) async fn retry(pool: &PgPool, id: JobId, console: Console) -> Result<Exit, Fail> {
    let queue = ops::retry(pool, id).await?;
    autopilot_engine::hint(pool, queue.as_str()).await;
    let value = json!({ "id": id, "queue": queue });
    console.show(&value, || vec![format!("{id} is due in queue {queue}")])?;
    Ok(Exit::Ok)
}

/// Says of what is in review how its step ended.
async fn resolve(pool: &PgPool, args: Resolve, console: Console) -> Result<Exit, Fail> {
    let Resolve { id, done, redo: _ } = args;
    let resolution = done.map_or(Resolution::Redo, Resolution::Done);
    let queue = ops::resolve(pool, id, &resolution).await?;
    autopilot_engine::hint(pool, queue.as_str()).await;
    let value = json!({ "id": id, "queue": queue });
    console.show(&value, || vec![format!("{id} is due in queue {queue}")])?;
    Ok(Exit::Ok)
}

/// Ends a job or a run for good.
pub(super) async fn cancel(pool: &PgPool, id: JobId, console: Console) -> Result<Exit, Fail> {
    ops::cancel(pool, id).await?;
    let value = json!({ "id": id, "status": "cancelled" });
    console.show(&value, || vec![format!("{id} is cancelled")])?;
    Ok(Exit::Ok)
}

async fn list(pool: &PgPool, args: &List, console: Console) -> Result<Exit, Fail> {
    let found = runs::list(pool, &filter(args)).await?;
    console.show(&found, || {
        let row = |run: &runs::RunView| {
            [
                run.id.to_string(),
                run.kind.clone(),
                run.workspace.to_string(),
                run.status.clone(),
                format!("{}%", run.percent),
                format!("{}/{}", run.steps_done, run.steps),
                utc(run.created_at),
            ]
        };
        let head = ["RUN", "KIND", "WORKSPACE", "STATUS", "DONE", "STEPS", "CREATED (UTC)"];
        table(head, found.iter().map(row).collect())
    })?;
    Ok(Exit::Ok)
}

/// Its history, whole.
async fn export(pool: &PgPool, id: JobId, console: Console) -> Result<Exit, Fail> {
    let history = ops::export(pool, id).await?;
    let pretty = serde_json::to_string_pretty(&history).map_err(io::Error::from)?;
    console.show(&history, || vec![pretty])?;
    Ok(Exit::Ok)
}

async fn show(pool: &PgPool, id: JobId, console: Console) -> Result<Exit, Fail> {
    let details = runs::show(pool, id).await?;
    console.show(&details, || {
        let view = view::of(&details);
        let mut lines = render::lines(&view, Utc::now(), console.style());
        lines.extend(view::lineage(&details));
        lines
    })?;
    Ok(Exit::Ok)
}

/// Follows a run until it cannot go on by itself: one picture that changes on a terminal, a line for each change
/// elsewhere, one JSON object for each change with `--json`.
///
/// # Errors
/// The database's, and those of writing.
pub(super) async fn watch(pool: &PgPool, id: JobId, console: Console) -> Result<Exit, Fail> {
    let mut shown: Option<RunView> = None;
    let mut is_first = true;
    let next = async || -> Result<RunView, Fail> {
        loop {
            if !std::mem::take(&mut is_first) {
                tokio::time::sleep(LOOK).await;
            }
            let view = view::of(&look(pool, id).await?);
            if !console.is_json() {
                return Ok(view);
            }
            if shown.as_ref() != Some(&view) {
                console.show(&view, Vec::new)?;
                shown = Some(view.clone());
                return Ok(view);
            }
        }
    };
    let output: Box<dyn io::Write> =
        if console.is_json() { Box::new(io::sink()) } else { Box::new(io::stdout()) };
    let mut screen = Screen::new(output, console.style());
    let ended = render::watch(next, Utc::now, &mut screen).await?;
    io::stdout().flush()?;
    Ok(ended.status.exit().unwrap_or(Exit::Ok))
}

async fn look(pool: &PgPool, id: JobId) -> Result<runs::RunDetails, OpsError> {
    runs::show(pool, id).await
}

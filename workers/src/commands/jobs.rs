//! `autopilot jobs`: every job that is live or was set aside.

use autopilot_engine::JobId;
use autopilot_engine::ops::jobs;
use sqlx::PgPool;

use super::jobs_many;
use super::runs::{cancel, filter, retry};
use crate::cli::{Jobs, List};
use crate::config::Database;
use crate::console::{Console, table, utc};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::NotFound`] for a job that does not exist; [`Exit::Failed`] where its state does not allow it.
pub(crate) async fn run(command: Jobs, config: &Database, console: Console) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    match command {
        Jobs::List(args) => list(&pool, &args, console).await,
        Jobs::Show(args) => show(&pool, args.id, console).await,
        Jobs::Retry(args) => retry(&pool, args.id, console).await,
        Jobs::Cancel(args) => cancel(&pool, args.id, console).await,
        Jobs::Search(args) => jobs_many::search(&pool, args, console).await,
        Jobs::CancelAll(args) => jobs_many::cancel(&pool, args, console).await,
        Jobs::RetryAll(args) => jobs_many::retry(&pool, args, console).await,
    }
}

async fn list(pool: &PgPool, args: &List, console: Console) -> Result<Exit, Fail> {
    let found = jobs::list(pool, &filter(args)).await?;
    console.show(&found, || {
        let row = |job: &jobs::JobView| {
            [
                job.id.to_string(),
                job.kind.clone(),
                job.queue.clone(),
                job.status.clone(),
                job.attempt.to_string(),
                job.crashes.to_string(),
                utc(job.created_at),
                action(job).unwrap_or_default(),
            ]
        };
        let head =
            ["JOB", "KIND", "QUEUE", "STATUS", "ATTEMPT", "CRASHES", "CREATED (UTC)", "ACTION"];
        table(head, found.iter().map(row).collect())
    })?;
    Ok(Exit::Ok)
}

/// What somebody has to do about a job that was set aside.
fn action(job: &jobs::JobView) -> Option<String> {
    let failure = job.failure.as_ref()?;
    let text = |name| failure.get(name).and_then(serde_json::Value::as_str);
    text("action").or_else(|| text("message")).map(str::to_owned)
}

async fn show(pool: &PgPool, id: JobId, console: Console) -> Result<Exit, Fail> {
    let details = jobs::show(pool, id).await?;
    console.show(&details, || lines(&details))?;
    Ok(Exit::Ok)
}

fn lines(details: &jobs::JobDetails) -> Vec<String> {
    let job = &details.job;
    let mut lines = vec![
        format!("{} {} in queue {}", job.kind, job.id, job.queue),
        format!("workspace  {}", job.workspace),
        format!("status     {} (attempt {}, crashes {})", job.status, job.attempt, job.crashes),
        format!("created    {}", job.created_at.to_rfc3339()),
    ];
    lines.extend(details.aside.as_ref().map(|why| format!("aside      {why}")));
    lines.extend(job.run_at.map(|at| format!("due        {}", at.to_rfc3339())));
    lines.extend(details.finished_at.map(|at| format!("finished   {}", at.to_rfc3339())));
    lines.extend(job.unique_key.as_ref().map(|key| format!("unique     {key}")));
    lines.push(match details.sealed_bytes() {
        Some(bytes) => format!("payload    sealed, {bytes} bytes"),
        None => format!("payload    {}", details.payload),
    });
    lines.extend(action(job).map(|action| format!("action     {action}")));
    if !details.failures.is_empty() {
        lines.push(String::new());
        lines.extend(details.failures.iter().map(|failure| {
            let step =
                failure.step.as_deref().map(|step| format!(" in {step}")).unwrap_or_default();
            format!(
                "{} attempt {}{step}: {} ({}): {}",
                failure.at.format("%F %T"),
                failure.attempt,
                failure.class,
                failure.code,
                failure.message
            )
        }));
    }
    lines.into_iter().map(|line| line.replace(char::is_control, " ")).collect()
}

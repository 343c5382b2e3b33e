//! `autopilot inbox`: the webhooks that were received, and what became of each.

use autopilot_engine::JobId;
use autopilot_engine::ops::{OpsError, jobs};
use autopilot_workflows::state::gaps::{self, Asked};
use autopilot_workflows::state::inbox::{self, Event, EventState, Filter};
use autopilot_workflows::state::provider::Provider;
use autopilot_workflows::webhooks::{self, replay};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use crate::cli::{EventArg, Inbox, Replay};
use crate::config::Database;
use crate::console::{Console, table, utc};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::NotFound`] for an event that was never received.
pub(crate) async fn run(command: Inbox, config: &Database, console: Console) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    match command {
        Inbox::List { which, limit } => list(&pool, &which.into(), limit, console).await,
        Inbox::Show(event) => show(&pool, event, console).await,
        Inbox::Replay(args) => handle_again(&pool, args, console).await,
        Inbox::Gaps => gaps(&pool, console).await,
    }
}

async fn list(pool: &PgPool, filter: &Filter, limit: u32, console: Console) -> Result<Exit, Fail> {
    let mut conn = pool.acquire().await?;
    let events = inbox::list(&mut conn, filter, limit).await?;
    let values: Vec<Value> = events.iter().map(value).collect();
    console.show(&values, || {
        let row = |event: &Event| {
            [
                event.provider.name().to_owned(),
                event.event_id.clone(),
                event.event_type.clone(),
                event.state.name().to_owned(),
                event.workspace.map(|workspace| workspace.to_string()).unwrap_or_default(),
                utc(event.received_at),
                event.reason.clone().unwrap_or_default(),
            ]
        };
        let head = ["FROM", "EVENT", "TYPE", "STATE", "WORKSPACE", "RECEIVED (UTC)", "REASON"];
        table(head, events.iter().map(row).collect())
    })?;
    Ok(Exit::Ok)
}

/// The one event of this id.
async fn only(conn: &mut PgConnection, arg: &EventArg) -> Result<Event, Fail> {
    let EventArg { event: id, provider } = arg;
    let mut found = inbox::find(conn, id).await?;
    found.retain(|event| provider.is_none_or(|provider| provider == event.provider));
    match (found.pop(), found.pop()) {
        (Some(event), None) => Ok(event),
        (None, _) => {
            let advice = "`autopilot inbox list` shows those there are";
            Err(Fail::new(Exit::NotFound, format!("no event {id} was received; {advice}")))
        }
        (Some(one), Some(other)) => Err(Fail::usage(format!(
            "{id} came from {} and from {}: say which with --provider",
            other.provider, one.provider
        ))),
    }
}

async fn show(pool: &PgPool, arg: EventArg, console: Console) -> Result<Exit, Fail> {
    let mut conn = pool.acquire().await?;
    let event = only(&mut conn, &arg).await?;
    let job = standing(pool, event.job).await?;
    // Anything may stand in a body that could not be read; it must not command the terminal.
    let body = String::from_utf8_lossy(&event.payload).into_owned();
    let mut shown = value(&event);
    if let Value::Object(fields) = &mut shown {
        fields.insert("headers".to_owned(), event.headers.clone());
        fields.insert("body".to_owned(), body.clone().into());
        fields.insert("job_status".to_owned(), job.clone().into());
    }
    console.show(&shown, || {
        let mut lines = vec![
            format!("{} {} {}", event.provider, event.event_type, event.event_id),
            format!("state      {}", event.state.name()),
            format!("received   {}", event.received_at.to_rfc3339()),
        ];
        lines.extend(event.occurred_at.map(|at| format!("happened   {}", at.to_rfc3339())));
        lines.extend(event.workspace.map(|workspace| format!("workspace  {workspace}")));
        lines.extend(
            event.job.zip(job).map(|(id, standing)| format!("job        {id}, {standing}")),
        );
        lines.extend(event.reason.as_ref().map(|reason| format!("reason     {reason}")));
        lines.push(String::new());
        lines.extend(body.lines().map(str::to_owned));
        lines.into_iter().map(|line| line.replace(char::is_control, " ")).collect()
    })?;
    Ok(Exit::Ok)
}

/// How the event's job stands: an event that was received and whose job has failed for good is not handled any more by itself.
async fn standing(pool: &PgPool, job: Option<JobId>) -> Result<Option<String>, Fail> {
    let Some(job) = job else { return Ok(None) };
    match jobs::show(pool, job).await {
        Ok(details) => Ok(Some(details.job.status)),
        Err(OpsError::NotFound(_)) => Ok(Some("forgotten".to_owned())),
        Err(error) => Err(error.into()),
    }
}

async fn handle_again(pool: &PgPool, args: Replay, console: Console) -> Result<Exit, Fail> {
    let Replay { event, which, limit } = args;
    let mut tx = pool.begin().await?;
    let events: Vec<(Provider, String)> = match event {
        Some(event) => {
            let provider = which.only_provider().map_err(Fail::usage)?;
            let event = only(&mut tx, &EventArg { event, provider }).await?;
            if event.state == EventState::Failed {
                return Err(Fail::new(Exit::Failed, unreadable(&event)));
            }
            vec![(event.provider, event.event_id)]
        }
        None => {
            let mut found = inbox::list(&mut tx, &which.into(), limit).await?;
            found.retain(|event| event.state != EventState::Failed);
            found.into_iter().map(|event| (event.provider, event.event_id)).collect()
        }
    };
    let jobs = replay::replay(&mut tx, &events).await?;
    tx.commit().await?;
    autopilot_engine::hint(pool, webhooks::QUEUE).await;
    let value = json!({ "events": events.len(), "jobs": jobs });
    console.show(&value, || match (&events[..], &jobs[..]) {
        ([(_, event)], [job]) => vec![format!("job {job} handles {event} again")],
        (_, _) => vec![format!("{} events are handled again", events.len())],
    })?;
    Ok(Exit::Ok)
}

fn unreadable(event: &Event) -> String {
    let why = event.reason.as_deref().unwrap_or("it cannot be read");
    format!("event {} cannot be handled: {why}", event.event_id)
}

async fn gaps(pool: &PgPool, console: Console) -> Result<Exit, Fail> {
    let mut conn = pool.acquire().await?;
    let asked = gaps::list(&mut conn).await?;
    console.show(&asked, || {
        let row = |asked: &Asked| {
            [
                asked.provider.name().to_owned(),
                asked.account.clone(),
                utc(asked.whole_until),
                utc(asked.asked_at),
                asked.found_last.to_string(),
                asked.found.to_string(),
            ]
        };
        let head =
            ["FROM", "ACCOUNT", "WHOLE UNTIL (UTC)", "ASKED (UTC)", "FOUND THEN", "FOUND EVER"];
        let mut lines = table(head, asked.iter().map(row).collect());
        lines.push("WhatsApp cannot be asked: Meta delivers again for seven days.".to_owned());
        lines
    })?;
    Ok(Exit::Ok)
}

fn value(event: &Event) -> Value {
    json!({
        "provider": event.provider,
        "event": event.event_id,
        "type": event.event_type,
        "state": event.state.name(),
        "reason": event.reason,
        "workspace": event.workspace,
        "job": event.job,
        "occurred_at": event.occurred_at,
        "received_at": event.received_at,
        "processed_at": event.processed_at,
    })
}

//! `autopilot inbox`: the webhooks that were received, and what became of each.

use autopilot_workflows::state::inbox::{self, Event, EventState};
use autopilot_workflows::webhooks::stripe;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::cli::{Inbox, InboxState};
use crate::config::Database;
use crate::console::{Console, table};
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
        Inbox::List { state, limit } => list(&pool, state.map(known), limit, console).await,
        Inbox::Show { event } => show(&pool, &event, console).await,
        Inbox::Replay { event } => replay(&pool, &event, console).await,
    }
}

const fn known(state: InboxState) -> EventState {
    match state {
        InboxState::Received => EventState::Received,
        InboxState::Processed => EventState::Processed,
        InboxState::Unroutable => EventState::Unroutable,
        InboxState::Ignored => EventState::Ignored,
        InboxState::Failed => EventState::Failed,
    }
}

async fn list(
    pool: &PgPool,
    state: Option<EventState>,
    limit: u32,
    console: Console,
) -> Result<Exit, Fail> {
    let mut conn = pool.acquire().await?;
    let events = inbox::list(&mut conn, state, limit).await?;
    let values: Vec<Value> = events.iter().map(value).collect();
    console.show(&values, || {
        let row = |event: &Event| {
            [
                event.event_id.clone(),
                event.event_type.clone(),
                event.state.name().to_owned(),
                event.workspace.map(|workspace| workspace.to_string()).unwrap_or_default(),
                event.received_at.format("%F %T").to_string(),
                event.reason.clone().unwrap_or_default(),
            ]
        };
        let head = ["EVENT", "TYPE", "STATE", "WORKSPACE", "RECEIVED (UTC)", "REASON"];
        table(head, events.iter().map(row).collect())
    })?;
    Ok(Exit::Ok)
}

async fn show(pool: &PgPool, id: &str, console: Console) -> Result<Exit, Fail> {
    let mut conn = pool.acquire().await?;
    let event = inbox::get(&mut conn, stripe::PROVIDER, id).await?.ok_or_else(|| missing(id))?;
    // Anything may stand in a body that could not be read; it must not command the terminal.
    let body = String::from_utf8_lossy(&event.payload).into_owned();
    let mut shown = value(&event);
    if let Value::Object(fields) = &mut shown {
        fields.insert("headers".to_owned(), event.headers.clone());
        fields.insert("body".to_owned(), body.clone().into());
    }
    console.show(&shown, || {
        let mut lines = vec![
            format!("{} {} {}", event.provider, event.event_type, event.event_id),
            format!("state      {}", event.state.name()),
            format!("received   {}", event.received_at.to_rfc3339()),
        ];
        lines.extend(event.workspace.map(|workspace| format!("workspace  {workspace}")));
        lines.extend(event.job.map(|job| format!("job        {job}")));
        lines.extend(event.reason.as_ref().map(|reason| format!("reason     {reason}")));
        lines.push(String::new());
        lines.extend(body.lines().map(str::to_owned));
        lines.into_iter().map(|line| line.replace(char::is_control, " ")).collect()
    })?;
    Ok(Exit::Ok)
}

async fn replay(pool: &PgPool, id: &str, console: Console) -> Result<Exit, Fail> {
    let mut tx = pool.begin().await?;
    let job = stripe::replay(&mut tx, id).await?.ok_or_else(|| missing(id))?;
    tx.commit().await?;
    autopilot_engine::hint(pool, stripe::QUEUE).await;
    let value = json!({ "event": id, "job": job });
    console.show(&value, || vec![format!("job {job} handles {id} again")])?;
    Ok(Exit::Ok)
}

fn missing(id: &str) -> Fail {
    let advice = "`autopilot inbox list` shows those there are";
    Fail::new(Exit::NotFound, format!("no event {id} was received; {advice}"))
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
        "received_at": event.received_at,
        "processed_at": event.processed_at,
    })
}

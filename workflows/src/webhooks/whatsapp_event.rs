//! What each message and each status from WhatsApp means for a workspace.

use std::time::Duration;

use autopilot_engine::{Class, Failure, Job, Result, Retry, Run, Stop, WorkspaceId, ops};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::stripe_event::text;
use crate::app::App;
use crate::messages::status_event;
use crate::state::contacts::{self, Person};
use crate::state::inbox::{self, Event, EventState, Mark};
use crate::state::messages::{self, State};
use crate::state::provider::Provider;
use crate::state::routes::{self, Name};
use crate::tenancy::Tenant;

/// Acts on one event of the inbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct WhatsAppEvent {
    /// The event's id: that of a message, or that of a message and the status that it has come to.
    pub event: String,
}

/// What a member writes who wants nothing any more, whatever the case and what stands around it.
const STOP_WORDS: [&str; 5] = ["stop", "stopp", "abmelden", "abbestellen", "unsubscribe"];

impl Job for WhatsAppEvent {
    type App = App;
    const KIND: &'static str = "whatsapp.event";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry = Retry::exponential(Duration::from_secs(1)).retries(10);

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        run.transact("act", async |tx| act(tx, &self.event).await).await
    }
}

/// Routes the event and does what it asks, in one transaction with the inbox's mark.
async fn act(conn: &mut PgConnection, id: &str) -> Result {
    let Some(event) = inbox::get(&mut *conn, Provider::Whatsapp, id).await? else {
        return Err(Stop::Failed(Failure::new(
            Class::ConfigurationError,
            "event_missing",
            format!("event {id} is not in the inbox any more"),
        )));
    };
    let body: Value = serde_json::from_slice(&event.payload).unwrap_or_default();
    let routed = match (body.get("status"), body.get("message")) {
        (Some(status), _) => of_status(&mut *conn, &event, status).await?,
        (None, Some(message)) => of_message(&mut *conn, &event, &body, message).await?,
        (None, None) => Err("it is neither a message nor a status".to_owned()),
    };
    let mark = match &routed {
        Ok(workspace) => Mark {
            state: EventState::Processed,
            reason: None,
            workspace: Some(*workspace),
            job: None,
        },
        Err(reason) => {
            tracing::warn!(event = id, reason, "event cannot be routed; it waits in the inbox");
            Mark { state: EventState::Unroutable, reason: Some(reason), workspace: None, job: None }
        }
    };
    inbox::mark(conn, Provider::Whatsapp, id, &mark).await?;
    Ok(())
}

/// A status: of a message of ours by what went with it, else by WhatsApp's id of it.
async fn of_status(
    conn: &mut PgConnection,
    event: &Event,
    status: &Value,
) -> Result<std::result::Result<WorkspaceId, String>> {
    let message_id = text(status, "/id").unwrap_or_default();
    let named = text(status, "/biz_opaque_callback_data").and_then(messages::named);
    let Some((workspace, id)) = named else {
        // Sent by hand or by another program: nobody here waits for it.
        let found = routes::find(conn, Name::Message(message_id)).await?;
        return Ok(found.ok_or_else(|| format!("message {message_id} was not sent from here")));
    };
    let Some(state) = state(text(status, "/status").unwrap_or_default()) else {
        return Ok(Ok(workspace));
    };
    let failure = status.get("errors").filter(|_| state == State::Failed);
    let mut tenant = Tenant::enter(&mut *conn, workspace).await?;
    if messages::get(&mut tenant, id).await?.is_none() {
        tenant.finish().await?;
        return Ok(Err(format!("workspace {workspace} has sent no message {id}")));
    }
    messages::come_to(&mut tenant, id, state, Some(message_id), failure).await?;
    if is_opt_out(failure) {
        let said_at = event.occurred_at.unwrap_or(event.received_at);
        opt_out(&mut tenant, id, said_at).await?;
    }
    tenant.finish().await?;
    // Whoever waits to learn whether it was sent knows now.
    ops::signal(&mut *conn, &status_event(workspace, id)).await?;
    routes::put(conn, Name::Message(message_id), workspace).await?;
    Ok(Ok(workspace))
}

fn state(word: &str) -> Option<State> {
    Some(match word {
        "sent" => State::Sent,
        "delivered" => State::Delivered,
        "read" => State::Read,
        "failed" => State::Failed,
        _ => return None,
    })
}

/// Whether Meta says that the member has stopped messages of this kind (131050).
fn is_opt_out(failure: Option<&Value>) -> bool {
    let errors = failure.and_then(Value::as_array).into_iter().flatten();
    errors.into_iter().any(|error| error.get("code").and_then(Value::as_u64) == Some(131_050))
}

async fn opt_out(tenant: &mut Tenant<'_>, message: Uuid, at: DateTime<Utc>) -> Result {
    if let Some(message) = messages::get(tenant, message).await? {
        contacts::opted_out(tenant, message.contact, at).await?;
    }
    Ok(())
}

/// A message: of the workspace whose message it answers, else of the one that wrote to
/// its sender last.
async fn of_message(
    conn: &mut PgConnection,
    event: &Event,
    body: &Value,
    message: &Value,
) -> Result<std::result::Result<WorkspaceId, String>> {
    let person = Person {
        wa_id: text(message, "/from").or(text(body, "/contacts/0/wa_id")),
        user_id: text(message, "/from_user_id").or(text(body, "/contacts/0/user_id")),
    };
    let names = [
        text(message, "/context/id").map(Name::Message),
        person.wa_id.map(Name::Contact),
        person.user_id.map(Name::Contact),
    ];
    let mut found = None;
    for name in names.into_iter().flatten() {
        if found.is_none() {
            found = routes::find(&mut *conn, name).await?;
        }
    }
    let Some(workspace) = found else {
        return Ok(Err("nobody here has written to its sender".to_owned()));
    };
    if person.is_nobody() {
        return Ok(Ok(workspace));
    }
    let said_at = event.occurred_at.unwrap_or(event.received_at);
    let mut tenant = Tenant::enter(conn, workspace).await?;
    let contact = contacts::ensure(&mut tenant, Uuid::now_v7(), person).await?;
    contacts::wrote(&mut tenant, contact.id, said_at).await?;
    if is_stop(message) {
        contacts::opted_out(&mut tenant, contact.id, said_at).await?;
    }
    tenant.finish().await?;
    Ok(Ok(workspace))
}

/// Whether a member wants nothing any more: one of the words alone, typed or on a button.
fn is_stop(message: &Value) -> bool {
    let said = ["/text/body", "/button/payload", "/button/text", "/interactive/button_reply/title"];
    said.iter().filter_map(|path| text(message, path)).any(|said| {
        let word = said.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        STOP_WORDS.contains(&word.as_str())
    })
}

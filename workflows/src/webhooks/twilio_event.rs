//! What each of Twilio's callbacks means for a workspace.

use std::time::Duration;

use autopilot_engine::{Class, Failure, Job, Result, Retry, Run, Stop, ops};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::twilio::Form;
use crate::app::App;
use crate::state::inbox::{self, EventState, Mark};
use crate::state::provider::Provider;
use crate::state::routes::{self, Name};

/// Acts on one event of the inbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct TwilioEvent {
    /// The event's id: a SID, and the state that it has come to.
    pub event: String,
}

impl Job for TwilioEvent {
    type App = App;
    const KIND: &'static str = "twilio.event";
    const QUEUE: &'static str = super::QUEUE;
    const RETRY: Retry = Retry::exponential(Duration::from_secs(1)).retries(10);

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        run.transact("act", async |tx| act(tx, &self.event).await).await
    }
}

/// Routes the event by the account that it is about, and wakes whoever waits for it.
async fn act(conn: &mut PgConnection, id: &str) -> Result {
    let Some(event) = inbox::get(&mut *conn, Provider::Twilio, id).await? else {
        return Err(Stop::Failed(Failure::new(
            Class::ConfigurationError,
            "event_missing",
            format!("event {id} is not in the inbox any more"),
        )));
    };
    let parameters = super::form(&event.payload);
    let form = Form { parameters: &parameters, token: None };
    if let Some(bundle) = form.get("BundleSid") {
        // Bundles belong to the main account: whoever waits for this one knows whose it is.
        ops::signal(&mut *conn, &format!("twilio.bundle/{bundle}")).await?;
        let done = Mark { state: EventState::Processed, reason: None, workspace: None, job: None };
        inbox::mark(conn, Provider::Twilio, id, &done).await?;
        return Ok(());
    }
    let account = form.get("AccountSid").unwrap_or_default();
    let workspace = routes::find(&mut *conn, Name::Account(Provider::Twilio, account)).await?;
    let reason = format!("Twilio account {account:?} belongs to no workspace");
    let mark = match workspace {
        Some(_) => Mark { state: EventState::Processed, reason: None, workspace, job: None },
        None => Mark {
            state: EventState::Unroutable,
            reason: Some(&reason),
            workspace: None,
            job: None,
        },
    };
    inbox::mark(conn, Provider::Twilio, id, &mark).await?;
    Ok(())
}

//! Who is checked: whoever is not well and may be helped by now, and everybody once a day.

use std::time::Duration;

use autopilot_engine::ops::breakers::Guarded;
use autopilot_engine::ops::standing;
use autopilot_engine::{Job, NewJob, Result, Retry, Run, Unique, WorkspaceId};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::Check;
use crate::app::App;
use crate::fail::unwritten;
use crate::provisioning::{Provision, seen};
use crate::state::health::Component;
use crate::state::repairs;
use crate::state::workspaces::{self, Checked};

/// Enqueues the checks that are due until the next tick, each for its own time. Ticks every ten minutes.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckDue {}

/// The time between two ticks.
const TICK: Duration = Duration::from_secs(600);

/// So many of each sort at a tick: those that are not well, and those whose day is over. 10,000 studios are 70 a tick.
const MOST: u32 = 200;

/// What committed late is not missed.
const OVERLAP: TimeDelta = TimeDelta::minutes(1);

impl Job for CheckDue {
    type App = App;
    const KIND: &'static str = "studio.check_due";
    const QUEUE: &'static str = "default";
    const RETRY: Retry =
        Retry::exponential(Duration::from_secs(10)).cap(Duration::from_secs(600)).retries(6);

    fn unique(&self) -> Option<Unique> {
        Some(Unique::key("checks"))
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        let configured = configured(run.app);
        let due: Vec<Checked> =
            run.transact("take", async |tx| take(tx, &configured).await).await?;
        for Checked { workspace, at } in due {
            run.enqueue(NewJob::of(&Check { workspace }).map_err(unwritten)?.at(at));
        }
        Ok(())
    }
}

/// The providers that this process knows how to reach.
fn configured(app: &App) -> Vec<Component> {
    let known = [
        (Component::Stripe, app.stripe.is_some()),
        (Component::Twilio, app.twilio.is_some()),
        (Component::Whatsapp, app.whatsapp.is_some()),
        (Component::Email, app.email.is_some()),
    ];
    known.into_iter().filter(|(_, is_known)| *is_known).map(|(component, _)| component).collect()
}

async fn take(conn: &mut PgConnection, configured: &[Component]) -> Result<Vec<Checked>> {
    let sweep = workspaces::sweep(&mut *conn, configured).await?;
    workspaces::check_who_lacks(&mut *conn, &sweep.new, seen::SOON).await?;
    if let Some(since) = sweep.since {
        for breaker in standing::breakers_closed_since(&mut *conn, since - OVERLAP).await? {
            if let Some((component, workspace)) = about(&breaker) {
                workspaces::check_who_fails(&mut *conn, component, workspace, seen::SOON).await?;
            }
        }
    }
    let unwell = standing::unwell(&mut *conn, Provision::KIND).await?;
    let set_aside: Vec<WorkspaceId> =
        unwell.iter().filter(|unwell| unwell.is_run).map(|unwell| unwell.workspace).collect();
    workspaces::check_too(&mut *conn, &set_aside, seen::SOON).await?;
    workspaces::check_who_is_due(&mut *conn, seen::SOON).await?;
    repairs::forget(&mut *conn).await?;
    Ok(workspaces::take_due(conn, TICK, MOST, MOST).await?)
}

/// Which part of which workspace a breaker is about; of all where it names none.
fn about(breaker: &str) -> Option<(Component, Option<WorkspaceId>)> {
    let Guarded { service, workspace } = Guarded::parse(breaker).ok()?;
    Some((Component::of_service(&service)?, workspace))
}

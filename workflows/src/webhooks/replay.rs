//! Letting events be handled again.

use autopilot_engine::{EnqueueError, JobId, NewJob, enqueue};
use sqlx::PgConnection;

use super::stripe_event::StripeEvent;
use super::twilio_event::TwilioEvent;
use super::whatsapp_event::WhatsAppEvent;
use crate::state::provider::Provider;

/// Lets events that are in the inbox be handled again, in the caller's transaction; their jobs, in their order.
///
/// # Errors
/// When the database refuses.
pub async fn replay(
    conn: &mut PgConnection,
    events: &[(Provider, String)],
) -> Result<Vec<JobId>, EnqueueError> {
    let jobs: Vec<NewJob> = events.iter().map(job).collect::<Result<_, _>>()?;
    Ok(enqueue(conn, &jobs).await?.into_iter().map(|enqueued| enqueued.id()).collect())
}

fn job((provider, event): &(Provider, String)) -> Result<NewJob, EnqueueError> {
    let event = event.clone();
    match provider {
        Provider::Stripe => NewJob::of(&StripeEvent { event }),
        Provider::Twilio => NewJob::of(&TwilioEvent { event }),
        Provider::Whatsapp => NewJob::of(&WhatsAppEvent { event }),
    }
}

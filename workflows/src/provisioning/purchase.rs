//! Buying from Twilio, which has no idempotency keys and may take longer than we listen, or live: an answer that was lost is made up for by
//! the next look, and as long as somebody may be at it nobody buys because a look has found nothing.

use std::time::{Duration, Instant};

use autopilot_engine::{At, Classify as _, Effect, Result, Stop, Wait};
use chrono::{DateTime, Utc};

use crate::app::App;
use crate::integrations::twilio::TwilioError;
use crate::state;
use crate::state::purchases::{self, Begun, Goods};
use crate::tenancy::Tenant;

/// A purchase whose writing down took longer is not made.
const PROMPT: Duration = Duration::from_secs(2);

/// How long nobody tries again after that: each try asks Twilio anew, and a database that is slow is so for minutes.
const REST: Duration = Duration::from_secs(30);

/// Buys what was looked for at that time and not found. Gives what the call gave, or waits where somebody may still be at it: another
/// run, an attempt whose process died, a call whose answer was lost.
pub(super) async fn buy<T>(
    at: &At<'_, App>,
    goods: Goods,
    looked_at: DateTime<Utc>,
    call: impl Future<Output = std::result::Result<T, TwilioError>> + Send,
) -> Result<std::result::Result<T, TwilioError>> {
    at.before_call().await?;
    let started = Instant::now();
    let begun_at = begin(at, goods, looked_at).await?;
    let ready = at.before_call().await;
    let took = started.elapsed();
    // What was written down long ago protects a call that begins now for too short a time.
    let ready = if took < PROMPT { ready } else { ready.and(Err(too_slow(at, goods, took))) };
    if let Err(stop) = ready {
        note(at, goods, begun_at, Known::DidNotBegin).await;
        return Err(stop);
    }
    let bought = call.await;
    match bought.as_ref().map_err(|error| error.effect()) {
        Ok(_) => {}
        Err(Effect::None) => note(at, goods, begun_at, Known::DidNotBegin).await,
        Err(Effect::Executed | Effect::Unknown) => note(at, goods, begun_at, Known::Nothing).await,
    }
    Ok(bought)
}

/// Written under the fence, so that nobody buys who has lost the run.
async fn begin(at: &At<'_, App>, goods: Goods, looked_at: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let settle = at.app.provisioning.settle;
    let mut tx = at.begin().await?;
    let now = state::now(&mut tx).await?;
    let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
    let begun = purchases::begin(&mut tenant, goods, looked_at, now, settle).await?;
    tenant.finish().await?;
    tx.commit().await?;
    match begun {
        Begun::At(begun_at) => Ok(begun_at),
        Begun::UnderWay(left) => Err(Stop::Waiting(Wait {
            event: event(at, goods),
            look_again: left,
            reason: format!(
                "Twilio may still be at a purchase ({}), or its lists may not show it yet; it is looked for again once {settle:?} have passed (provisioning.settle)",
                goods.name()
            ),
        })),
    }
}

fn too_slow(at: &At<'_, App>, goods: Goods, took: Duration) -> Stop {
    Stop::Waiting(Wait {
        event: event(at, goods),
        look_again: REST,
        reason: format!(
            "the database took {took:.1?} to write a purchase ({}) down, too long to begin it",
            goods.name()
        ),
    })
}

fn event(at: &At<'_, App>, goods: Goods) -> String {
    format!("purchase/{}/{}", goods.name(), at.workspace)
}

/// What is known of a purchase that was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It did not take place.
    DidNotBegin,
    /// How it ended is not known.
    Nothing,
}

/// Writes down what is known now. Where that cannot be written, whoever comes next waits a little longer, or less long after a call that
/// took its time.
async fn note(at: &At<'_, App>, goods: Goods, begun_at: DateTime<Utc>, known: Known) {
    let written = async {
        let mut tx = at.pool.begin().await?;
        let now = state::now(&mut tx).await?;
        let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
        match known {
            Known::DidNotBegin => purchases::withdraw(&mut tenant, goods, begun_at).await?,
            Known::Nothing => purchases::prolong(&mut tenant, goods, begun_at, now).await?,
        }
        tenant.finish().await?;
        tx.commit().await
    };
    let written: std::result::Result<(), sqlx::Error> = written.await;
    if let Err(error) = written {
        tracing::warn!(%error, workspace = %at.workspace, goods = goods.name(), "how a purchase ended could not be written down");
    }
}

//! Buying from Twilio, which has no idempotency keys and may take longer than we listen, or live: an answer that was lost is made up for by
//! the next look, and as long as somebody may be at it nobody buys because a look has found nothing.

use autopilot_engine::{At, Classify as _, Effect, Result, Stop, Wait};
use chrono::{DateTime, Utc};

use crate::app::App;
use crate::integrations::twilio::TwilioError;
use crate::state;
use crate::state::purchases::{self, Begun, Goods};
use crate::tenancy::Tenant;

/// Buys what was looked for at that time and not found. Gives what the call gave, or waits where somebody may still be at it: another
/// run, an attempt whose process died, a call whose answer was lost.
pub(super) async fn buy<T>(
    at: &At<'_, App>,
    goods: Goods,
    looked_at: DateTime<Utc>,
    call: impl Future<Output = std::result::Result<T, TwilioError>> + Send,
) -> Result<std::result::Result<T, TwilioError>> {
    let begun_at = begin(at, goods, looked_at).await?;
    if let Err(stop) = at.before_call().await {
        ended(at, goods, begun_at, false).await;
        return Err(stop);
    }
    let bought = call.await;
    match bought.as_ref().map_err(|error| error.effect()) {
        Ok(_) => ended(at, goods, begun_at, true).await,
        Err(Effect::None) => ended(at, goods, begun_at, false).await,
        Err(Effect::Executed | Effect::Unknown) => {}
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
            event: format!("purchase/{}/{}", goods.name(), at.workspace),
            look_again: left,
            reason: format!(
                "Twilio may still be at a purchase ({}) whose answer was lost; it is looked for again once {settle:?} have passed (provisioning.settle)",
                goods.name()
            ),
        })),
    }
}

/// Writes down how it ended, as far as that is known. Where that cannot be written, whoever looks next waits for nothing.
async fn ended(at: &At<'_, App>, goods: Goods, begun_at: DateTime<Utc>, took_place: bool) {
    let written = async {
        let mut tx = at.pool.begin().await?;
        let now = state::now(&mut tx).await?;
        let mut tenant = Tenant::enter(&mut tx, at.workspace).await?;
        if took_place {
            purchases::end(&mut tenant, goods, begun_at, now).await?;
        } else {
            purchases::withdraw(&mut tenant, goods, begun_at).await?;
        }
        tenant.finish().await?;
        tx.commit().await
    };
    let written: std::result::Result<(), sqlx::Error> = written.await;
    if let Err(error) = written {
        tracing::warn!(%error, workspace = %at.workspace, goods = goods.name(), "how a purchase ended could not be written down");
    }
}

//! The job that posts one delivery to its endpoint.

use std::time::Duration;

use autopilot_engine::{
    At, Class, Failure, Job, Limit, Result, Retry, Run, Stop, Unique, Wait, WorkspaceId, ops,
};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::App;
use crate::integrations::courier::{PostError, Posted, Secret, sign};
use crate::state;
use crate::state::deliveries::{self, Attempt, Delivery};
use crate::state::endpoints::{self, Endpoint, FAILED_IN_A_ROW};
use crate::tenancy::Tenant;

/// After so long without any success an endpoint is told nothing more.
const PATIENCE: TimeDelta = TimeDelta::days(5);

/// How long one post has to try an endpoint before the next may: more than a post takes.
const TRIAL: TimeDelta = TimeDelta::seconds(30);

/// Posts to a workspace's endpoints at once.
const AT_ONCE: u32 = 4;

/// Posts one delivery to its endpoint.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deliver {
    /// Whose.
    pub workspace: WorkspaceId,
    /// What.
    pub delivery: Uuid,
}

/// What is posted, and where to.
struct Post {
    delivery: Delivery,
    endpoint: Endpoint,
    secrets: Vec<Secret>,
}

impl Job for Deliver {
    type App = App;
    const KIND: &'static str = "endpoint.deliver";
    const QUEUE: &'static str = "webhooks";
    /// Five seconds, then ever longer, up to a day, each with jitter over the whole of it: five days on average.
    const RETRY: Retry =
        Retry::exponential(Duration::from_secs(5)).cap(Duration::from_secs(24 * 3600)).retries(24);

    fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// One that waits, or is under way, is not told a second time.
    fn unique(&self) -> Option<Unique> {
        Some(Unique::key(self.delivery.to_string()))
    }

    fn limits(&self) -> Vec<Limit> {
        vec![Limit::concurrency(format!("endpoints:{}", self.workspace), AT_ONCE)]
    }

    async fn run(&self, run: &mut Run<'_, App>) -> Result {
        run.step("post", async |at| self.post(at).await).await
    }
}

impl Deliver {
    async fn post(&self, at: At<'_, App>) -> Result {
        let now = {
            let mut conn = at.pool.acquire().await?;
            state::now(&mut conn).await?
        };
        let Some(post) = self.task(&at, now).await? else { return Ok(()) };
        let Post { delivery, endpoint, secrets } = *post;
        self.wait_or_try(&at, &endpoint, now).await?;
        at.before_call().await?;
        let headers = headers(&delivery, now, &secrets);
        let posted =
            at.app.courier.post(&endpoint.url, headers, delivery.body.clone().into_bytes()).await;
        self.note(&at, &delivery, &endpoint, now, &posted).await?;
        judge(posted)
    }

    /// An endpoint that has failed in a row is left alone for a while; then one post tries it, and the others wait for how that goes.
    async fn wait_or_try(
        &self,
        at: &At<'_, App>,
        endpoint: &Endpoint,
        now: DateTime<Utc>,
    ) -> Result {
        if endpoint.failures < FAILED_IN_A_ROW {
            return Ok(());
        }
        let mut tenant = Tenant::begin(at.pool, self.workspace).await?;
        let may = endpoints::may_try(&mut tenant, endpoint.id, now, now + TRIAL).await?;
        tenant.finish().await?;
        if may {
            return Ok(());
        }
        let until = endpoint.open_until.filter(|until| *until > now).unwrap_or(now + TRIAL);
        Err(Stop::Waiting(Wait {
            event: well_again(endpoint.id),
            look_again: (until - now).to_std().unwrap_or_default(),
            reason: format!(
                "endpoint {} has failed {} times in a row",
                endpoint.id, endpoint.failures
            ),
        }))
    }

    /// None where it is gone, or nobody wants it any more.
    async fn task(&self, at: &At<'_, App>, now: DateTime<Utc>) -> Result<Option<Box<Post>>> {
        let Some(vault) = at.vault() else {
            return Err(Stop::Failed(crate::provisioning::no_keyring()));
        };
        let mut tenant = Tenant::begin(at.pool, self.workspace).await?;
        let Some(delivery) = deliveries::get(&mut tenant, self.delivery).await? else {
            return Ok(None);
        };
        let endpoint = endpoints::get(&mut tenant, delivery.endpoint).await?;
        let Some(endpoint) = endpoint.filter(|endpoint| endpoint.disabled_why.is_none()) else {
            return Ok(None);
        };
        let texts = endpoints::secrets(&mut tenant, vault, endpoint.id, now).await?;
        tenant.finish().await?;
        let secrets =
            texts.iter().filter_map(|text| Secret::parse(text.expose_secret()).ok()).collect();
        Ok(Some(Box::new(Post { delivery, endpoint, secrets })))
    }

    /// Writes down how a post went, and what that means for the endpoint.
    async fn note(
        &self,
        at: &At<'_, App>,
        delivery: &Delivery,
        endpoint: &Endpoint,
        now: DateTime<Utc>,
        posted: &std::result::Result<Posted, PostError>,
    ) -> Result {
        let (status, answer, took) = match posted {
            Ok(posted) => {
                (i16::try_from(posted.status.as_u16()).ok(), posted.answer.clone(), posted.took)
            }
            Err(error) => (None, error.to_string(), Duration::ZERO),
        };
        let is_taken = posted.as_ref().is_ok_and(|posted| posted.status.is_success());
        let took_ms = i32::try_from(took.as_millis()).unwrap_or(i32::MAX);
        let mut tx = at.begin().await?;
        let mut tenant = Tenant::enter(&mut tx, self.workspace).await?;
        let attempt = Attempt { at: now, status, took_ms, answer };
        deliveries::attempted(&mut tenant, delivery.id, &attempt, is_taken).await?;
        if is_taken {
            endpoints::answered(&mut tenant, endpoint.id).await?;
        } else if let Some(why) = why_disable(&mut tenant, endpoint.id, status, now).await? {
            endpoints::disable(&mut tenant, endpoint.id, Some(&why)).await?;
            tracing::error!(
                workspace = %self.workspace, endpoint = %endpoint.id, why,
                "an endpoint is told nothing any more; `autopilot endpoints enable` it when it is mended"
            );
        }
        tenant.finish().await?;
        if is_taken && endpoint.failures >= FAILED_IN_A_ROW {
            ops::signal(&mut tx, &well_again(endpoint.id)).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// The event that an endpoint which had failed in a row has taken something again.
fn well_again(endpoint: Uuid) -> String {
    format!("endpoint/{endpoint}")
}

/// Why an endpoint that has failed once more is to be told nothing any more, if so.
async fn why_disable(
    tenant: &mut Tenant<'_>,
    endpoint: Uuid,
    status: Option<i16>,
    now: DateTime<Utc>,
) -> Result<Option<String>> {
    let Some(failed) = endpoints::failed(tenant, endpoint, now).await? else { return Ok(None) };
    if status == Some(410) {
        return Ok(Some("it answered 410 Gone".to_owned()));
    }
    let is_over = failed.failing_since.is_some_and(|since| now - since >= PATIENCE);
    Ok(is_over.then(|| {
        let times = failed.failures;
        format!("it has failed {times} times in a row, for {} days", PATIENCE.num_days())
    }))
}

fn headers(delivery: &Delivery, now: DateTime<Utc>, secrets: &[Secret]) -> HeaderMap {
    let id = format!("msg_{}", delivery.id.simple());
    let timestamp = now.timestamp();
    let signature = sign(&id, timestamp, delivery.body.as_bytes(), secrets);
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let texts = [
        ("webhook-id", id),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ];
    for (name, text) in texts {
        // Ids, numbers and base64: nothing in them is forbidden.
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
    headers
}

/// What an answer means for the delivery.
fn judge(posted: std::result::Result<Posted, PostError>) -> Result {
    let posted = posted.map_err(|error| Stop::Failed(error.failure()))?;
    let failure = |class, code: &'static str| {
        Stop::Failed(Failure::new(class, code, format!("the endpoint answered {}", posted.status)))
    };
    match posted.status {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => Ok(()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            Err(failure(Class::RateLimited { retry_after: posted.retry_after }, "endpoint_busy"))
        }
        // Whatever else it says may be mended by whoever runs it: it is told again.
        _ => Err(failure(Class::IntegrationOffline, "endpoint_refused")),
    }
}

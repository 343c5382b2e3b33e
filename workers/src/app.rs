//! From configuration to what steps may touch. An integration that is not configured is absent.

pub(crate) mod providers;

use autopilot_engine::secrets::Keyring;
use autopilot_engine::{BreakerPolicy, Redis, RedisError, Registry, Retry, Schedule, WorkerConfig};
use autopilot_workflows::app::{self as workflows, App, Settings, WhatsAppLine};
use autopilot_workflows::integrations::courier::{Courier, Targets};
use autopilot_workflows::integrations::http::Pace;
use autopilot_workflows::integrations::phone::Country;
use autopilot_workflows::repair::CheckDue;
use autopilot_workflows::state::provider::Provider;
use autopilot_workflows::webhooks::account_gaps::RepairAccountGaps;
use autopilot_workflows::webhooks::forget::ForgetEvents;
use autopilot_workflows::webhooks::route_again::RouteAgain;
use autopilot_workflows::webhooks::stripe_gaps::RepairStripeGaps;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::{Breakers, Config, Provisioning};
use crate::fail::Fail;

/// All that a step may touch. Calls nobody.
///
/// # Errors
/// What in the configuration cannot be used, or lacks.
pub(crate) fn build(config: &Config) -> Result<App, Fail> {
    // Every process takes its part of what the fleet may ask of a provider.
    let pace = |calls_per_second| Pace::per_second(calls_per_second, config.worker.processes);
    let twilio = providers::twilio(&config.twilio)?;
    let public_base_url = match &config.http.public_base_url {
        Some(url) => url.as_str().to_owned(),
        None if twilio.is_some() => {
            return Err(Fail::usage(
                "PUBLIC_BASE_URL is not set, but Twilio is configured: the numbers that are bought would report \
                 to nowhere; set it to https://host, where this server is reached from outside",
            ));
        }
        None => String::new(),
    };
    Ok(App {
        stripe: providers::stripe(&config.stripe)?
            .map(|stripe| stripe.paced(pace(config.stripe.calls_per_second))),
        twilio: twilio.map(|twilio| twilio.paced(pace(config.twilio.calls_per_second))),
        whatsapp: providers::whatsapp(&config.whatsapp)?.map(|line| WhatsAppLine {
            client: line.client.paced(pace(config.whatsapp.calls_per_second)),
            ..line
        }),
        courier: courier(config)?,
        email: providers::email(&config.smtp),
        provisioning: settings(&config.provisioning, public_base_url)?,
    })
}

fn courier(config: &Config) -> Result<Courier, Fail> {
    let targets = if config.endpoints.allow_private { Targets::Any } else { Targets::Public };
    Courier::new(targets).map_err(|error| Fail::usage(format!("TLS cannot be set up: {error}")))
}

fn settings(config: &Provisioning, public_base_url: String) -> Result<Settings, Fail> {
    let regulated =
        config.regulated_countries.iter().map(|country| self::country(country.as_str()));
    Ok(Settings {
        public_base_url,
        default_country: default_country(config)?,
        candidates: u8::try_from(config.number_search_limit.get()).unwrap_or(u8::MAX),
        regulated_countries: regulated.collect::<Result<_, _>>()?,
        look_again: config.bundle_check_interval,
        settle: config.settle,
    })
}

/// Where a studio is that has not said it.
///
/// # Errors
/// Never for a configuration that was accepted.
pub(crate) fn default_country(config: &Provisioning) -> Result<Country, Fail> {
    country(config.default_country.as_str())
}

fn country(text: &str) -> Result<Country, Fail> {
    text.parse().map_err(|error| Fail::usage(format!("provisioning: `{text}` is {error}")))
}

/// How the worker behaves. A queue of concurrency 0 is not served.
///
/// # Errors
/// All that contradicts itself, at once.
pub(crate) fn worker(config: &Config) -> Result<WorkerConfig, Fail> {
    let worker = &config.worker;
    let calls = [
        config.stripe.timeout,
        config.twilio.timeout,
        config.whatsapp.timeout,
        config.openai.timeout,
        config.smtp.timeout,
    ];
    let settings = WorkerConfig {
        queues: worker
            .queues
            .iter()
            .filter(|(_, concurrency)| **concurrency > 0)
            .map(|(queue, concurrency)| (queue.clone(), *concurrency))
            .collect(),
        lease: worker.lease,
        heartbeat: worker.heartbeat_interval,
        call_timeout: calls.into_iter().max().unwrap_or_default(),
        poll_min: worker.poll_min,
        poll_max: worker.poll_max,
        claim_batch: usize::try_from(worker.claim_batch.get()).unwrap_or(usize::MAX),
        drain: worker.drain_grace,
        ageing: worker.ageing,
        retry: Retry::exponential(config.retry.base)
            .cap(config.retry.cap)
            .retries(config.retry.retries)
            .throttled(config.retry.rate_limited_factor.get()),
        breakers: breakers(&config.breakers),
        vacuum_after: WorkerConfig::default().vacuum_after,
        listen: config.database.listens(),
    };
    let problems = settings.problems();
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(Fail::usage(format!("the worker's settings are wrong: {}", problems.join("; "))))
    }
}

fn breakers(breakers: &Breakers) -> BreakerPolicy {
    let mut policy = BreakerPolicy::default();
    policy.failures = breakers.failures.get();
    policy.open_for = breakers.open_for;
    policy.spread = breakers.spread;
    policy.patience = breakers.patience;
    policy.retries = breakers.retries.get();
    policy
}

/// What a worker runs, and what ticks in the code.
#[expect(clippy::expect_used, reason = "the texts are ours, and every start reads them")]
pub(crate) fn known() -> Registry<App> {
    let stripe = Schedule::new("stripe-gaps", "*/10 * * * *", |_tick| RepairStripeGaps {});
    let accounts = |provider| RepairAccountGaps { provider, after: None };
    let connected =
        Schedule::new("stripe-account-gaps", "37 * * * *", move |_tick| accounts(Provider::Stripe));
    let twilio = Schedule::new("twilio-gaps", "7 * * * *", move |_tick| accounts(Provider::Twilio));
    let forget = Schedule::new("inbox-forget", "23 3 * * *", |_tick| ForgetEvents {});
    let checks = Schedule::new("studio-checks", "3-59/10 * * * *", |_tick| CheckDue {});
    let again =
        Schedule::new("route-again", "6-59/10 * * * *", |tick| RouteAgain::of_late(tick.at));
    workflows::registry()
        .schedule(again.expect("a schedule that fires"))
        .schedule(checks.expect("a schedule that fires"))
        .schedule(forget.expect("a schedule that fires"))
        .schedule(stripe.expect("a schedule that fires"))
        .schedule(connected.expect("a schedule that fires"))
        .schedule(twilio.expect("a schedule that fires"))
}

/// What a worker runs, and what ticks: in the code and in the file.
pub(crate) fn registry(config: &Config) -> Registry<App> {
    config.schedules.iter().cloned().fold(known(), Registry::schedule)
}

/// What turns away who would only find a lock busy, where it is configured. Asks nobody.
///
/// # Errors
/// When its address is none.
pub(crate) fn redis(url: Option<&SecretString>) -> Result<Option<Redis>, Fail> {
    let refused =
        |error: RedisError| Fail::usage(format!("redis.url (RATE_LIMIT_REDIS_URL): {error}"));
    url.map(Redis::new).transpose().map_err(refused)
}

/// The keys that seal credentials.
///
/// # Errors
/// When there is none, or one that is no key.
pub(crate) fn keyring(pairs: &[SecretString]) -> Result<Keyring, Fail> {
    if pairs.is_empty() {
        return Err(Fail::usage(
            "ENCRYPTION_KEY is not set, and workers seal the credentials that they make: set it to \
             k1:$(openssl rand -base64 32), the same for every process, and keep a copy; \
             `autopilot serve --http` needs none",
        ));
    }
    let pairs = pairs.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>();
    let text = Zeroizing::new(pairs.join(","));
    Keyring::parse(&text.as_str().into()).map_err(|error| Fail::usage(error.to_string()))
}

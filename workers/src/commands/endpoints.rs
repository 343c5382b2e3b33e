//! `autopilot endpoints`: where studios are told what happens, and how that went.

mod deliveries;

use autopilot_engine::WorkspaceId;
use autopilot_engine::secrets::Vault;
use autopilot_workflows::integrations::courier::{Secret, Targets, target};
use autopilot_workflows::state::endpoints::{self, Endpoint};
use autopilot_workflows::state::workspaces;
use autopilot_workflows::tenancy::Tenant;
use chrono::{TimeDelta, Utc};
use secrecy::SecretString;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::cli::{AddEndpoint, Endpoints, OneEndpoint};
use crate::config::Config;
use crate::console::{Console, table};
use crate::exit::Exit;
use crate::fail::Fail;
use crate::{app, database};

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::NotFound`] for an endpoint, a delivery or a workspace that does not exist.
pub(crate) async fn run(
    command: Endpoints,
    config: &Config,
    console: Console,
) -> Result<Exit, Fail> {
    let pool = database::open(&config.database).await?;
    match command {
        Endpoints::List(of) => list(&pool, of.workspace, console).await,
        Endpoints::Add(args) => add(&pool, config, args, console).await,
        Endpoints::Rotate { one, both_for } => {
            let both_for = TimeDelta::from_std(both_for).unwrap_or(TimeDelta::MAX);
            rotate(&pool, config, one, both_for, console).await
        }
        Endpoints::Enable(one) => switch(&pool, one, None, console).await,
        Endpoints::Disable(one) => {
            switch(&pool, one, Some("an operator disabled it"), console).await
        }
        Endpoints::Remove(one) => remove(&pool, one, console).await,
        Endpoints::Deliveries { of, which, limit } => {
            deliveries::list(&pool, of.workspace, which, limit, console).await
        }
        Endpoints::Show { of, delivery } => {
            deliveries::show(&pool, of.workspace, delivery, console).await
        }
        Endpoints::Replay { of, delivery, which, limit } => {
            deliveries::replay(&pool, of.workspace, delivery, which, limit, console).await
        }
    }
}

async fn list(pool: &PgPool, workspace: WorkspaceId, console: Console) -> Result<Exit, Fail> {
    let mut tenant = Tenant::begin(pool, workspace).await?;
    let found = endpoints::list(&mut tenant).await?;
    tenant.finish().await?;
    console.show(&found, || {
        let row = |endpoint: &Endpoint| {
            [
                endpoint.id.to_string(),
                endpoint.url.clone(),
                endpoint.events.join(" "),
                state(endpoint),
            ]
        };
        table(["ENDPOINT", "URL", "EVENTS", "STATE"], found.iter().map(row).collect())
    })?;
    Ok(Exit::Ok)
}

fn state(endpoint: &Endpoint) -> String {
    match (&endpoint.disabled_why, endpoint.failing_since) {
        (Some(why), _) => format!("disabled: {why}"),
        (None, Some(since)) => {
            format!("failing since {}, {} times", since.format("%F %T"), endpoint.failures)
        }
        (None, None) => "well".to_owned(),
    }
}

async fn add(
    pool: &PgPool,
    config: &Config,
    args: AddEndpoint,
    console: Console,
) -> Result<Exit, Fail> {
    let AddEndpoint { of, url, events } = args;
    let targets = if config.endpoints.allow_private { Targets::Any } else { Targets::Public };
    let url = target(&url, targets).map_err(|what| Fail::usage(format!("the address {what}")))?;
    let vault = Vault::open(pool, app::keyring(&config.encryption.keys)?).await?;
    let (id, secret) = (Uuid::now_v7(), fresh()?);
    let mut tx = pool.begin().await?;
    if !workspaces::exists(&mut tx, of.workspace).await? {
        return Err(Fail::new(Exit::NotFound, format!("there is no workspace {}", of.workspace)));
    }
    let mut tenant = Tenant::enter(&mut tx, of.workspace).await?;
    let events: Vec<String> = events.into_iter().map(|event| event.name().to_owned()).collect();
    endpoints::create(&mut tenant, &vault, id, url.as_str(), &events, &text(&secret)).await?;
    tenant.finish().await?;
    tx.commit().await?;
    tell(id, &secret, console)
}

async fn rotate(
    pool: &PgPool,
    config: &Config,
    one: OneEndpoint,
    both_for: TimeDelta,
    console: Console,
) -> Result<Exit, Fail> {
    let vault = Vault::open(pool, app::keyring(&config.encryption.keys)?).await?;
    let secret = fresh()?;
    let until = Utc::now().checked_add_signed(both_for);
    let until = until.ok_or_else(|| Fail::usage("--both-for is longer than time goes"))?;
    let mut tenant = Tenant::begin(pool, one.of.workspace).await?;
    let rotated =
        endpoints::rotate(&mut tenant, &vault, one.endpoint, &text(&secret), until).await?;
    tenant.finish().await?;
    if rotated { tell(one.endpoint, &secret, console) } else { Err(missing(one)) }
}

async fn switch(
    pool: &PgPool,
    one: OneEndpoint,
    why: Option<&str>,
    console: Console,
) -> Result<Exit, Fail> {
    let mut tenant = Tenant::begin(pool, one.of.workspace).await?;
    let found = endpoints::disable(&mut tenant, one.endpoint, why).await?;
    tenant.finish().await?;
    if !found {
        return Err(missing(one));
    }
    let (id, is_told) = (one.endpoint, why.is_none());
    console.show(&json!({ "endpoint": id, "enabled": is_told }), || {
        vec![if is_told { format!("{id} is told again") } else { format!("{id} is told nothing") }]
    })?;
    Ok(Exit::Ok)
}

async fn remove(pool: &PgPool, one: OneEndpoint, console: Console) -> Result<Exit, Fail> {
    let mut tenant = Tenant::begin(pool, one.of.workspace).await?;
    let found = endpoints::remove(&mut tenant, one.endpoint).await?;
    tenant.finish().await?;
    if !found {
        return Err(missing(one));
    }
    let id = one.endpoint;
    console
        .show(&json!({ "endpoint": id, "removed": true }), || vec![format!("{id} is forgotten")])?;
    Ok(Exit::Ok)
}

fn fresh() -> Result<Secret, Fail> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        Fail::new(Exit::Failed, format!("the system gives no randomness: {error}"))
    })?;
    Ok(Secret::from_bytes(bytes))
}

fn text(secret: &Secret) -> SecretString {
    SecretString::from(secret.text().as_str())
}

/// The one time that a secret is shown.
fn tell(id: Uuid, secret: &Secret, console: Console) -> Result<Exit, Fail> {
    let shown = secret.text();
    console.show(&json!({ "endpoint": id, "secret": shown.as_str() }), || {
        vec![
            format!("endpoint  {id}"),
            format!("secret    {}", shown.as_str()),
            "Give it to the program that listens: it is not shown again.".to_owned(),
        ]
    })?;
    Ok(Exit::Ok)
}

fn missing(one: OneEndpoint) -> Fail {
    let advice = format!("`autopilot endpoints list {}` shows those there are", one.of.workspace);
    Fail::new(Exit::NotFound, format!("there is no endpoint {}; {advice}", one.endpoint))
}

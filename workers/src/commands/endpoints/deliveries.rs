//! `autopilot endpoints deliveries|show|replay`: what was told.

use autopilot_engine::{Job as _, WorkspaceId};
use autopilot_workflows::outbound;
use autopilot_workflows::state::deliveries::{self, Attempt, Delivery, Filter};
use autopilot_workflows::state::endpoints;
use autopilot_workflows::tenancy::Tenant;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::cli::WhichDeliveries;
use crate::console::{Console, table, utc};
use crate::exit::Exit;
use crate::fail::Fail;

const fn filter(which: WhichDeliveries) -> Filter {
    let WhichDeliveries { endpoint, open, since, until } = which;
    Filter { endpoint, since, until, is_open: open }
}

/// The newest deliveries.
pub(super) async fn list(
    pool: &PgPool,
    workspace: WorkspaceId,
    which: WhichDeliveries,
    limit: u32,
    console: Console,
) -> Result<Exit, Fail> {
    let mut tenant = Tenant::begin(pool, workspace).await?;
    let found = deliveries::list(&mut tenant, filter(which), limit).await?;
    tenant.finish().await?;
    console.show(&found, || {
        let row = |delivery: &Delivery| {
            [
                delivery.id.to_string(),
                delivery.endpoint.to_string(),
                delivery.event_type.clone(),
                utc(delivery.created_at),
                delivery.delivered_at.map(|at| at.format("%F %T").to_string()).unwrap_or_default(),
            ]
        };
        let head = ["DELIVERY", "ENDPOINT", "TYPE", "HAPPENED (UTC)", "TAKEN (UTC)"];
        table(head, found.iter().map(row).collect())
    })?;
    Ok(Exit::Ok)
}

/// One delivery and its posts.
pub(super) async fn show(
    pool: &PgPool,
    workspace: WorkspaceId,
    id: Uuid,
    console: Console,
) -> Result<Exit, Fail> {
    let mut tenant = Tenant::begin(pool, workspace).await?;
    let delivery = deliveries::get(&mut tenant, id).await?;
    let attempts = deliveries::attempts(&mut tenant, id).await?;
    tenant.finish().await?;
    let delivery = delivery.ok_or_else(|| missing(workspace, id))?;
    console.show(&json!({ "delivery": delivery, "attempts": attempts }), || {
        let row = |attempt: &Attempt| {
            let status = attempt.status.map(|status| status.to_string()).unwrap_or_default();
            let took = format!("{} ms", attempt.took_ms);
            [utc(attempt.at), status, took, attempt.answer.clone()]
        };
        let mut lines = vec![format!("{} {}", delivery.event_type, delivery.body), String::new()];
        lines.extend(table(
            ["AT (UTC)", "STATUS", "TOOK", "ANSWER"],
            attempts.iter().map(row).collect(),
        ));
        lines
    })?;
    Ok(Exit::Ok)
}

/// Tells once more.
pub(super) async fn replay(
    pool: &PgPool,
    workspace: WorkspaceId,
    delivery: Option<Uuid>,
    which: WhichDeliveries,
    limit: u32,
    console: Console,
) -> Result<Exit, Fail> {
    let mut tx = pool.begin().await?;
    let mut tenant = Tenant::enter(&mut tx, workspace).await?;
    let found = match delivery {
        Some(id) => {
            vec![deliveries::get(&mut tenant, id).await?.ok_or_else(|| missing(workspace, id))?]
        }
        None => deliveries::list(&mut tenant, filter(which), limit).await?,
    };
    let mut disabled = endpoints::list(&mut tenant).await?;
    disabled.retain(|endpoint| endpoint.disabled_why.is_some());
    tenant.finish().await?;
    let is_told = |told: &Delivery| disabled.iter().all(|endpoint| endpoint.id != told.endpoint);
    let (told, untold): (Vec<_>, Vec<_>) = found.into_iter().partition(is_told);
    if let (Some(_), Some(one)) = (delivery, untold.first()) {
        let (id, advice) = (
            one.endpoint,
            format!("`autopilot endpoints enable {workspace} {}` it first", one.endpoint),
        );
        return Err(Fail::new(
            Exit::Failed,
            format!("endpoint {id} is disabled, nothing was told; {advice}"),
        ));
    }
    let ids: Vec<Uuid> = told.iter().map(|delivery| delivery.id).collect();
    let jobs = outbound::deliver(&mut tx, workspace, &ids).await?;
    tx.commit().await?;
    autopilot_engine::hint(pool, outbound::Deliver::QUEUE).await;
    let left_out = untold.len();
    console.show(&json!({ "deliveries": ids, "jobs": jobs, "left_out": left_out }), || {
        let mut lines = vec![format!("{} are told once more", ids.len())];
        if left_out > 0 {
            lines.push(format!("{left_out} are not: their endpoints are disabled"));
        }
        lines
    })?;
    Ok(Exit::Ok)
}

fn missing(workspace: WorkspaceId, id: Uuid) -> Fail {
    let advice = format!("`autopilot endpoints deliveries {workspace}` shows those there are");
    Fail::new(Exit::NotFound, format!("there is no delivery {id}; {advice}"))
}

//! What keeps the database from its work, as its processes have met it of late.

use sqlx::PgPool;

use super::Finding;
use crate::ops::strains;

pub(super) async fn strains(pool: &PgPool) -> Result<Vec<Finding>, sqlx::Error> {
    const CHECK: &str = "strain";
    let mut conn = pool.acquire().await?;
    let met = strains::list(&mut conn).await?;
    if met.is_empty() {
        return Ok(vec![Finding::ok(CHECK, "no worker has met any of late")]);
    }
    let findings = met.into_iter().map(|met| {
        let detail = format!(
            "{}: {} processes since {} UTC, {} times, at last: {}",
            met.strain.cause(),
            met.processes,
            met.since.format("%F %T"),
            met.times,
            met.detail
        );
        let action = met.strain.action();
        if met.strain.stops_all() {
            Finding::problem(CHECK, detail, action)
        } else {
            Finding::warning(CHECK, detail, action)
        }
    });
    Ok(findings.collect())
}

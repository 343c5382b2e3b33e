//! Services that are out of order, and those that an operator has stopped the calls to.

use sqlx::PgPool;

use super::Finding;

/// So many are told by name.
const TOLD: i64 = 5;

pub(super) async fn breakers(pool: &PgPool) -> Result<Finding, sqlx::Error> {
    const CHECK: &str = "breakers";
    let open = sqlx::query_file!("sql/doctor/breakers.sql", TOLD).fetch_all(pool).await?;
    let Some(all) = open.first().map(|row| row.all) else {
        return Ok(Finding::ok(CHECK, "no service is out of order"));
    };
    let told: Vec<String> = open
        .iter()
        .map(|row| {
            let (since, waiting) = (row.opened_at.format("%F %T"), row.waiting);
            format!("{} since {since} UTC, {waiting} steps wait ({})", row.key, row.reason)
        })
        .collect();
    let shown = i64::try_from(told.len()).unwrap_or(i64::MAX);
    let more = if all > shown { format!(", and {} more", all - shown) } else { String::new() };
    Ok(Finding::warning(
        CHECK,
        format!("not called: {}{more}", told.join("; ")),
        "nothing is lost and no attempt is spent, they go on by themselves; what was tripped goes on after `autopilot breakers reset`",
    ))
}

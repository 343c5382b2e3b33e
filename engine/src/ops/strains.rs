//! What keeps the database from its work, as the processes of the fleet have met it of late.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use crate::strain::Strain;

/// Something that processes have met of late.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Met {
    /// What.
    pub strain: Strain,
    /// How many of those that are alive.
    pub processes: i64,
    /// Since when.
    pub since: DateTime<Utc>,
    /// How often.
    pub times: i64,
    /// The last error of one of them.
    pub detail: String,
}

/// What processes that are alive have met within half a minute before their last heartbeat, the most severe first. What only processes without a worker
/// have met stands in their logs.
///
/// # Errors
/// When the database refuses.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Met>, sqlx::Error> {
    let rows = sqlx::query_file!("sql/strain/list.sql").fetch_all(conn).await?;
    let known = rows.into_iter().filter_map(|row| {
        // A newer version may know of more.
        let strain = Strain::named(&row.strain)?;
        let (processes, since, times, detail) = (row.processes, row.since, row.times, row.detail);
        Some(Met { strain, processes, since, times, detail })
    });
    let mut met: Vec<Met> = known.collect();
    met.sort_by_key(|met| met.strain);
    Ok(met)
}

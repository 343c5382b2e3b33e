//! The engine's tables: their dead tuples and their sizes.

use std::time::Duration;

use sqlx::PgPool;

/// Sessions tell their statistics at most once a second.
const TOLD: Duration = Duration::from_millis(1_500);

/// One table; its partitions count as itself.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) dead_tuples: i64,
    /// Of the table itself.
    pub(crate) heap: i64,
    /// Of its indexes.
    pub(crate) indexes: i64,
    /// With indexes and TOAST.
    pub(crate) bytes: i64,
}

/// All tables of the engine, the largest first.
#[derive(Debug, Clone)]
pub(crate) struct Footprint {
    pub(crate) tables: Vec<Table>,
}

impl Footprint {
    /// As the statistics have it now.
    pub(crate) async fn now(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let tables = sqlx::query_as(
            r"SELECT regexp_replace(relname, '_(default|\d{4}_\d{2}(_\d{2})?)$', '') AS name, sum(n_dead_tup)::bigint AS dead_tuples,
                     sum(pg_relation_size(relid))::bigint AS heap, sum(pg_indexes_size(relid))::bigint AS indexes,
                     sum(pg_total_relation_size(relid))::bigint AS bytes
              FROM pg_stat_user_tables WHERE schemaname = 'engine' AND NOT starts_with(relname, '_') AND pg_total_relation_size(relid) > 0
              GROUP BY 1 ORDER BY bytes DESC, name",
        )
        .fetch_all(pool)
        .await?;
        Ok(Self { tables })
    }

    /// As it is when every session has told its statistics.
    pub(crate) async fn settled(pool: &PgPool) -> Result<Self, sqlx::Error> {
        tokio::time::sleep(TOLD).await;
        Self::now(pool).await
    }

    /// Of all tables.
    pub(crate) fn dead_tuples(&self) -> i64 {
        self.tables.iter().map(|table| table.dead_tuples).sum()
    }

    /// Of all tables, with indexes and TOAST.
    pub(crate) fn bytes(&self) -> i64 {
        self.tables.iter().map(|table| table.bytes).sum()
    }

    /// The table of that name.
    pub(crate) fn of(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

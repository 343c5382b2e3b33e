//! A connection of the engine's own: one for each loop of the hot path, and one for the claim loop's looks, so that none waits for a pool, and each keeps
//! its prepared statements and the planner settings that they need.

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection, PgPool};

/// A connection that is made when it is first used, and made anew after it broke.
#[derive(Debug)]
pub(crate) struct Line {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

/// Statistics of a queue's tables are always stale: a plan that fits the table as it was a minute ago may read all of it
/// now. So the plans of the hot path are made once, and can only go by index; and a statement that brings rows names their
/// keys as a condition, `= ANY`, beside the join. Without that, a planner that takes the table for empty walks a whole index
/// for each statement.
const INDEX_ONLY: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// What is found by its keys is joined with what was brought by hash: an index cannot be gone through once for each row.
const BY_KEYS: [(&str, &str); 2] = [("enable_nestloop", "off"), ("enable_bitmapscan", "off")];

/// Looking for the first rows of a lane joins nothing but lanes.
const BY_LANES: [(&str, &str); 1] = [("enable_hashjoin", "off")];

impl Line {
    /// A line to the pool's database, for statements that look for the first rows of lanes. `name` tells it apart in
    /// `pg_stat_activity`.
    pub(crate) fn by_lanes(pool: &PgPool, name: &str) -> Self {
        Self::with(pool, name, INDEX_ONLY.iter().chain(&BY_LANES))
    }

    /// A line for statements that find their rows by the keys that they bring.
    pub(crate) fn by_keys(pool: &PgPool, name: &str) -> Self {
        Self::with(pool, name, INDEX_ONLY.iter().chain(&BY_KEYS))
    }

    /// A line for statements whose plans need no help, and that wait at most `patience` for a lock.
    pub(crate) fn patient(pool: &PgPool, name: &str, patience: &str) -> Self {
        let settings =
            [("plan_cache_mode", "force_generic_plan"), ("jit", "off"), ("lock_timeout", patience)];
        Self::with(pool, name, &settings)
    }

    /// A line for a vacuum that rests in between, so that it does not take a processor away from those who claim and write.
    pub(crate) fn gentle(pool: &PgPool, name: &str) -> Self {
        let settings = [("vacuum_cost_delay", "1ms"), ("vacuum_cost_limit", "200")];
        Self::with(pool, name, &settings)
    }

    fn with<'s>(
        pool: &PgPool,
        name: &str,
        settings: impl IntoIterator<Item = &'s (&'s str, &'s str)>,
    ) -> Self {
        let options = pool.connect_options().as_ref().clone();
        let name = options
            .get_application_name()
            .map_or_else(|| name.to_owned(), |process| format!("{process}/{name}"));
        let options = options.application_name(&name).options(settings.into_iter().copied());
        Self { options, connection: None }
    }

    /// Does something on the connection. One that failed for another reason than what the statement says is not used
    /// again: nobody knows what state it is in.
    pub(crate) async fn run<T, E>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<sqlx::Error> + Broken,
    {
        // Taken out meanwhile, so that a future that is dropped half way takes the connection along.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.options.connect().await?,
        };
        let result = work(&mut connection).await;
        if !result.as_ref().is_err_and(Broken::breaks_the_line) {
            self.connection = Some(connection);
        }
        result
    }

    /// Forgets the connection.
    pub(crate) fn cut(&mut self) {
        self.connection = None;
    }
}

/// Whether an error says that a connection must not be used again.
pub(crate) trait Broken {
    /// True for everything but a plain refusal of a statement.
    fn breaks_the_line(&self) -> bool;
}

impl Broken for sqlx::Error {
    fn breaks_the_line(&self) -> bool {
        // Classes 08 and 57: the server ends the connection.
        self.as_database_error().is_none_or(|error| {
            error.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57"))
        })
    }
}

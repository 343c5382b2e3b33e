//! The server: a fresh database for each measurement, and what it says that it did.

use std::time::{Duration, Instant};

use autopilot_engine::MIGRATOR;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, query, query_scalar};
use url::Url;

use crate::{Failure, proc};

/// What every database of a measurement is called, followed by what it is for.
const PREFIX: &str = "autopilot_scale_";

/// The server that everything runs on.
pub(crate) struct Server {
    /// To a database that is not measured.
    connection: PgConnection,
    url: Url,
    postmaster: u32,
    counts_statements: bool,
}

/// An empty, migrated database.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) url: Url,
}

/// What the server had done up to a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Work {
    pub(crate) at: Instant,
    /// Of the server and all its processes, whichever database they serve.
    pub(crate) cpu: Duration,
    /// Bytes.
    pub(crate) wal: i64,
}

/// What a database had been asked up to a moment. A connection tells its commits when it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// None where the server does not count them.
    pub(crate) statements: Option<i64>,
    pub(crate) commits: i64,
}

impl Server {
    /// Logs in to the server of `DATABASE_URL`, whose own database is used for nothing but making others.
    pub(crate) async fn connect() -> Result<Self, Failure> {
        let url = std::env::var("DATABASE_URL").map_err(|_error| "DATABASE_URL is not set")?;
        let url = Url::parse(&url)?;
        let mut connection = PgConnection::connect(url.as_str()).await?;
        let backend: i32 =
            query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
        let postmaster = proc::parent(u32::try_from(backend)?)
            .map_err(|error| format!("the server must run on this machine: {error}"))?;
        let extension = query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
        let counts = extension.execute(&mut connection).await.is_ok()
            && query("SELECT count(*) FROM pg_stat_statements")
                .execute(&mut connection)
                .await
                .is_ok();
        Ok(Self { connection, url, postmaster, counts_statements: counts })
    }

    /// Its version and how durable it is, in one line.
    pub(crate) async fn state(&mut self) -> Result<String, Failure> {
        let text: String = query_scalar(
            "SELECT format('Postgres %s, fsync %s, synchronous_commit %s, shared_buffers %s',
                 current_setting('server_version'), current_setting('fsync'),
                 current_setting('synchronous_commit'), current_setting('shared_buffers'))",
        )
        .fetch_one(&mut self.connection)
        .await?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let statements = if self.counts_statements {
            "statements by pg_stat_statements"
        } else {
            "statements are not counted: load pg_stat_statements"
        };
        Ok(format!("{text}; {cores} cores for server and clients; {statements}."))
    }

    /// An empty, migrated database.
    pub(crate) async fn fresh(&mut self, name: &str) -> Result<Database, Failure> {
        let name = format!("{PREFIX}{name}");
        self.drop_named(&name).await?;
        self.execute(format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        let mut url = self.url.clone();
        url.set_path(&name);
        let mut connection = PgConnection::connect(url.as_str()).await?;
        MIGRATOR.run_direct(None, &mut connection, false).await?;
        connection.close().await?;
        Ok(Database { name, url })
    }

    /// Drops it, whoever is still connected.
    pub(crate) async fn drop(&mut self, database: Database) -> Result<(), Failure> {
        self.drop_named(&database.name).await
    }

    /// Leaves the server nothing else to write.
    pub(crate) async fn checkpoint(&mut self) -> Result<(), Failure> {
        self.execute("CHECKPOINT".to_owned()).await
    }

    /// What the server has done so far.
    pub(crate) async fn work(&mut self) -> Result<Work, Failure> {
        let wal = query_scalar("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint");
        let wal = wal.fetch_one(&mut self.connection).await?;
        Ok(Work { at: Instant::now(), cpu: proc::cpu_with_children(self.postmaster)?, wal })
    }

    /// What the database has been asked so far.
    pub(crate) async fn asked(&mut self, database: &Database) -> Result<Asked, Failure> {
        let commits = query_scalar("SELECT xact_commit FROM pg_stat_database WHERE datname = $1");
        let commits = commits.bind(&database.name).fetch_one(&mut self.connection).await?;
        let statements = if self.counts_statements {
            let sql = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
                       WHERE dbid = (SELECT oid FROM pg_database WHERE datname = $1)";
            let calls = query_scalar(sql).bind(&database.name);
            Some(calls.fetch_one(&mut self.connection).await?)
        } else {
            None
        };
        Ok(Asked { statements, commits })
    }

    async fn drop_named(&mut self, name: &str) -> Result<(), Failure> {
        self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
    }

    async fn execute(&mut self, sql: String) -> Result<(), Failure> {
        query(AssertSqlSafe(sql)).execute(&mut self.connection).await?;
        Ok(())
    }
}

impl Database {
    /// A pool of a few connections.
    pub(crate) async fn pool(&self) -> Result<PgPool, Failure> {
        Ok(PgPoolOptions::new().max_connections(4).connect(self.url.as_str()).await?)
    }
}

/// How many rows there are; `from` is given, with a condition if need be.
pub(crate) async fn rows(pool: &PgPool, from: &str) -> Result<usize, Failure> {
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {from}"));
    let count: i64 = query_scalar(sql).fetch_one(pool).await?;
    Ok(usize::try_from(count)?)
}

//! The server: its version and settings, and a fresh database for each run.

use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, Connection, PgConnection, query, query_as, query_scalar};
use url::Url;

use crate::error::Error;

/// What every database of a benchmark is called, followed by what it is for.
const PREFIX: &str = "autopilot_bench_";

/// What is stated about the server, beside its version.
const STATED: [&str; 14] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "wal_sync_method",
    "shared_buffers",
    "max_connections",
    "max_wal_size",
    "checkpoint_timeout",
    "work_mem",
    "jit",
    "autovacuum",
    "synchronous_standby_names",
    "data_checksums",
];

/// The server that everything runs on.
pub(crate) struct Postgres {
    connection: PgConnection,
    url: Url,
}

/// What is stated about the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stated {
    pub(crate) version: String,
    /// By name, in the order in which they are told.
    pub(crate) settings: Vec<(String, String)>,
}

impl Postgres {
    /// Logs in. The database of the URL is used for nothing but making others.
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        let url = Url::parse(url).map_err(Error::BadDatabase)?;
        Ok(Self { connection: PgConnection::connect(url.as_str()).await?, url })
    }

    /// Its version and settings.
    pub(crate) async fn stated(&mut self) -> Result<Stated, Error> {
        let version = query_scalar("SHOW server_version").fetch_one(&mut self.connection).await?;
        let mut settings = Vec::new();
        for name in STATED {
            let value = query_scalar("SELECT current_setting($1)");
            settings
                .push((name.to_owned(), value.bind(name).fetch_one(&mut self.connection).await?));
        }
        Ok(Stated { version, settings })
    }

    /// Where the programs of this very server are, if it says so.
    pub(crate) async fn bin_dir(&mut self) -> Result<Option<String>, Error> {
        let sql = "SELECT setting FROM pg_config WHERE name = 'BINDIR'";
        Ok(query_scalar(sql).fetch_optional(&mut self.connection).await?)
    }

    /// An empty database, and nothing else left to write for the server. Answers its URL.
    pub(crate) async fn fresh(&mut self, name: &str) -> Result<Url, Error> {
        let name = database(name);
        self.execute(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        self.execute(format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        self.execute("CHECKPOINT".to_owned()).await?;
        let mut url = self.url.clone();
        url.set_path(&name);
        Ok(url)
    }

    /// Drops it, whoever is still connected.
    pub(crate) async fn drop(&mut self, name: &str) -> Result<(), Error> {
        self.execute(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", database(name))).await
    }

    /// Drops the databases that a run left which was killed.
    pub(crate) async fn drop_leftovers(&mut self) -> Result<(), Error> {
        let sql = "SELECT datname FROM pg_database WHERE starts_with(datname, $1)";
        let found: Vec<(String,)> =
            query_as(sql).bind(PREFIX).fetch_all(&mut self.connection).await?;
        for (name,) in found {
            self.execute(format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await?;
        }
        Ok(())
    }

    async fn execute(&mut self, sql: String) -> Result<(), Error> {
        query(AssertSqlSafe(sql)).execute(&mut self.connection).await?;
        Ok(())
    }
}

impl Stated {
    /// Refuses a server that may lose what it has committed.
    pub(crate) fn check_durable(&self) -> Result<(), Error> {
        let lax = self.settings.iter().find(|(name, value)| {
            ["fsync", "synchronous_commit", "full_page_writes"].contains(&name.as_str())
                && value != "on"
        });
        match lax {
            Some((setting, value)) => {
                Err(Error::NotDurable { setting: setting.clone(), value: value.clone() })
            }
            None => Ok(()),
        }
    }
}

/// A name that needs no quotes, of a length that Postgres keeps.
fn database(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    format!("{PREFIX}{}", name.to_ascii_lowercase().chars().map(plain).take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_databases_need_no_quotes() {
        assert_eq!(database("pickup/Pg-Boss 10"), "autopilot_bench_pickup_pg_boss_10");
        assert!(database(&"x".repeat(100)).len() < 63);
    }

    #[test]
    fn a_server_that_may_lose_commits_is_refused_by_the_settings_name() {
        let stated = |name: &str, value: &str| Stated {
            version: "15".to_owned(),
            settings: vec![(name.to_owned(), value.to_owned())],
        };
        stated("fsync", "on").check_durable().unwrap();
        stated("jit", "off").check_durable().unwrap();
        let error = stated("synchronous_commit", "local").check_durable().unwrap_err().to_string();
        assert!(error.starts_with("synchronous_commit is local"), "{error}");
    }
}

//! A fresh database for each test, on the cluster that `make test` started.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

/// What the names of test databases begin with; a UUIDv7 follows, so that a name tells its age.
const PREFIX: &str = "autopilot_test_";

/// A test database that is older than this was left behind by a test that failed or was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Once a process is enough.
static SWEPT: OnceCell<()> = OnceCell::const_new();

/// The migrated databases to copy, by the checksums of their migrations.
static TEMPLATES: Mutex<BTreeMap<Vec<u8>, String>> = Mutex::const_new(BTreeMap::new());

/// A database of its own for one test.
///
/// Call [`close`](Self::close) at the end. A test that fails leaves its database behind for a look at it; a later
/// run sweeps it away after an hour.
pub struct TestDatabase {
    pool: PgPool,
    name: String,
    cluster: PgConnectOptions,
}

impl TestDatabase {
    /// Creates a database on the cluster of `AUTOPILOT_TEST_DATABASE_URL` (else `DATABASE_URL`) and migrates it.
    ///
    /// The login needs the right to create databases and roles.
    ///
    /// # Panics
    /// Whenever that does not work: a test without its database must fail, never pass.
    pub async fn create(migrators: &[&Migrator]) -> Self {
        match Self::try_create(migrators).await {
            Ok(database) => database,
            Err(error) => fail("could not create the test's database", &*error),
        }
    }

    /// A pool of at most five connections to the database.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The database's URL, past any pooler, for programs under test and for pools of another kind.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.clone().database(&self.name).to_url_lossy().to_string()
    }

    /// The same through the pooler that the environment names, if it names one, for programs that know how to go through it.
    #[must_use]
    pub fn pooler_url(&self) -> Option<String> {
        let pooler = super::pooler::address()?;
        Some(pooler.database(&self.name).to_url_lossy().to_string())
    }

    /// Closes the pool and drops the database, whoever else is still connected.
    ///
    /// # Panics
    /// When the database cannot be dropped.
    pub async fn close(self) {
        self.pool.close().await;
        if let Err(error) = drop_database(&self.cluster, &self.name).await {
            fail("could not drop the test's database", &error);
        }
    }

    async fn try_create(migrators: &[&Migrator]) -> Result<Self, Box<dyn std::error::Error>> {
        let Ok(url) =
            std::env::var("AUTOPILOT_TEST_DATABASE_URL").or_else(|_| std::env::var("DATABASE_URL"))
        else {
            return Err("neither AUTOPILOT_TEST_DATABASE_URL nor DATABASE_URL is set: \
                        run the tests through `make test`"
                .into());
        };
        let cluster = PgConnectOptions::from_str(&url)?;
        SWEPT.get_or_init(|| sweep(&cluster)).await;

        let name = from_template(&cluster, migrators).await?;
        let options = super::pooler::way().unwrap_or_else(|| cluster.clone()).database(&name);
        let pool = PgPoolOptions::new().max_connections(5).connect_with(options).await?;
        sign(&pool).await?;
        Ok(Self { pool, name, cluster })
    }
}

/// Before the name of a test, in the statement that says whose a database is.
const WHOSE: &str = "-- the database of ";

/// Says whose it is, for those who read what a server logs or counts.
async fn sign(pool: &PgPool) -> Result<(), sqlx::Error> {
    // Tests run in threads of their names.
    let test = std::thread::current().name().unwrap_or("nobody").to_owned();
    let sign = format!("SELECT {WHOSE}{test}\n");
    sqlx::raw_sql(AssertSqlSafe(sign)).execute(pool).await.map(drop)
}

/// The test whose database it is, where a statement says so.
#[must_use]
pub fn whose(statement: &str) -> Option<&str> {
    Some(statement.split_once(WHOSE)?.1.lines().next()?.trim())
}

/// Copies the migrated database that the process keeps for these migrators; made on the first call. Migrating takes
/// longer than copying. It is left behind like the database of a test that failed, and swept away like one.
async fn from_template(
    cluster: &PgConnectOptions,
    migrators: &[&Migrator],
) -> Result<String, Box<dyn std::error::Error>> {
    let key: Vec<u8> = migrators
        .iter()
        .flat_map(|migrator| migrator.iter())
        .flat_map(|migration| migration.checksum.iter().copied())
        .collect();
    let mut templates = TEMPLATES.lock().await;
    if let Some(template) = templates.get(&key).cloned() {
        drop(templates);
        return Ok(copy(cluster, &template).await?);
    }
    // template0 has no connections of others, which would make the copy fail.
    let template = copy(cluster, "template0").await?;
    let mut conn = cluster.clone().database(&template).connect().await?;
    for migrator in migrators {
        migrator.run(&mut conn).await?;
    }
    conn.close().await?;
    templates.insert(key, template.clone());
    drop(templates);
    Ok(copy(cluster, &template).await?)
}

/// Copies a database under a new name.
async fn copy(cluster: &PgConnectOptions, template: &str) -> Result<String, sqlx::Error> {
    let name = format!("{PREFIX}{}", Uuid::now_v7().simple());
    let mut admin = cluster.connect().await?;
    let create = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}""#);
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut admin).await?;
    admin.close().await?;
    Ok(name)
}

/// Drops what earlier runs left behind; best effort, because others may be doing the same.
async fn sweep(cluster: &PgConnectOptions) {
    let names = match cluster.connect().await {
        Ok(mut admin) => abandoned(&mut admin).await,
        Err(_) => return, // `create` reports it.
    };
    for name in names.unwrap_or_default() {
        drop(drop_database(cluster, &name).await);
    }
}

async fn abandoned(admin: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let mut names: Vec<String> = sqlx::query_scalar(
        "SELECT datname::text FROM pg_database
         WHERE starts_with(datname, $1)
           AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE pg_stat_activity.datname = pg_database.datname)",
    )
    .bind(PREFIX)
    .fetch_all(admin)
    .await?;
    names.retain(|name| age(name).is_some_and(|age| age > ABANDONED));
    Ok(names)
}

/// How long ago a test database of that name was created.
fn age(name: &str) -> Option<Duration> {
    let (seconds, nanos) =
        Uuid::try_parse(name.strip_prefix(PREFIX)?).ok()?.get_timestamp()?.to_unix();
    let created = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    SystemTime::now().duration_since(created).ok()
}

async fn drop_database(cluster: &PgConnectOptions, name: &str) -> Result<(), sqlx::Error> {
    let mut admin = cluster.connect().await?;
    let drop = format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#);
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut admin).await?;
    admin.close().await
}

#[expect(clippy::panic, reason = "a test without its database must fail, never pass")]
fn fail(what: &str, error: &dyn std::error::Error) -> ! {
    panic!("{what}: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_age_and_a_stranger_has_none() {
        let name = format!("{PREFIX}{}", Uuid::now_v7().simple());
        assert!(age(&name).is_some_and(|age| age < ABANDONED));
        assert!(
            age(&format!("{PREFIX}0192a1b2c3d47e8f8a9b0c1d2e3f4a5b"))
                .is_some_and(|age| age > ABANDONED)
        );
        assert_eq!(age("production"), None);
    }
}

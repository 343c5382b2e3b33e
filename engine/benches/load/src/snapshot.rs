//! A steady load while old snapshots are held open: one from the start, or readers that overlap.

use std::error::Error;
use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, PgPool};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::arguments::Arguments;
use crate::feed::Feed;
use crate::fleet::{Target, database, until_empty};
use crate::footprint::Footprint;
use crate::latency::windows;
use crate::other::Other;
use crate::report;

/// An idle transaction that sees the database as it was.
pub(crate) struct Held {
    connection: PgConnection,
}

/// What else the idle transaction has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Has {
    /// It has read.
    Read,
    /// It has written, so it has an id: nothing can be proven by ids while it is open.
    Written,
}

impl Has {
    /// `--writer 1` makes it one that has written.
    pub(crate) fn of(arguments: &Arguments) -> Result<Self, String> {
        Ok(if arguments.get("writer", 0)? == 0 { Self::Read } else { Self::Written })
    }

    /// For people.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Read => "only read",
            Self::Written => "written",
        }
    }
}

impl Held {
    /// Takes the snapshot.
    pub(crate) async fn open(target: &Target, has: Has) -> Result<Self, sqlx::Error> {
        let mut connection = target.connect().await?;
        connection
            .execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM engine.worker")
            .await?;
        if has == Has::Written {
            connection.execute("SELECT pg_current_xact_id()").await?;
        }
        Ok(Self { connection })
    }

    /// Ends the transaction.
    pub(crate) async fn release(mut self) -> Result<(), sqlx::Error> {
        self.connection.execute("ROLLBACK").await?;
        self.connection.close().await
    }
}

/// With one snapshot that is held from the start to the end.
pub(crate) async fn one(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let feed = Feed::in_eights(arguments, 180)?;
    let target = Target::from_environment()?;
    let pool = database(&target).await?;
    let has = Has::of(arguments)?;
    let held = Held::open(&target, has).await?;
    let outcome = load(&pool, &target, &feed, arguments).await?;
    held.release().await?;
    let settings = format!(
        "batches of 8, one worker process, a snapshot held from the start by a transaction that has {}",
        has.words()
    );
    report::answer("snapshot", &settings, outcome);
    Ok(())
}

/// With readers that each hold a snapshot for some time and then take a new one, in turn, so that an old one is open at
/// every moment.
pub(crate) async fn overlapping(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let feed = Feed::in_eights(arguments, 300)?;
    let (count, hold) = (arguments.get("readers", 3_u32)?, arguments.get("hold", 120)?);
    let target = Target::from_environment()?;
    let pool = database(&target).await?;
    let mut readers = JoinSet::new();
    for reader in 0..count {
        let hold = Duration::from_secs(hold);
        readers.spawn(read(target.clone(), hold * reader / count, hold));
    }
    let outcome = load(&pool, &target, &feed, arguments).await?;
    if let Some(ended) = readers.try_join_next() {
        ended??;
    }
    readers.shutdown().await;
    let settings = format!(
        "batches of 8, one worker process, {count} overlapping readers that hold a snapshot for {hold} s each"
    );
    report::answer("planetscale", &settings, outcome);
    Ok(())
}

/// Holds one snapshot after another, the first after `first`. Ends only when the database refuses.
async fn read(target: Target, first: Duration, hold: Duration) -> Result<(), sqlx::Error> {
    let mut next = Instant::now() + first;
    loop {
        tokio::time::sleep_until(next).await;
        let held = Held::open(&target, Has::Read).await?;
        next += hold;
        tokio::time::sleep_until(next).await;
        held.release().await?;
    }
}

async fn load(
    pool: &PgPool,
    target: &Target,
    feed: &Feed,
    arguments: &Arguments,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let window = Duration::from_secs(arguments.get("window", 30)?);
    let other = Other::start(target, 200).await?;
    let sent = feed.run(pool).await?.len();
    until_empty(pool).await?;
    let picked = other.stop(sent).await?.picked;
    let footprint = Footprint::settled(pool).await?;
    Ok(json!({
        "p50_by_window_ms": windows(&picked, window, 50.0),
        "p99_by_window_ms": windows(&picked, window, 99.0),
        "dead_tuples": footprint.dead_tuples(),
        "bytes": footprint.bytes(),
    }))
}

//! Named locks for what is no job: one holder at a time over all processes, with a fence that tells holders apart.

mod error;
mod held;
#[cfg(feature = "redis")]
mod redis;
#[cfg(not(feature = "redis"))]
mod unshed;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgPool;
use uuid::Uuid;

use crate::line::Broken;
use crate::loops::jittered;
pub use error::LockError;
pub use held::Held;
#[cfg(feature = "redis")]
use redis::Shed;
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisError};
#[cfg(not(feature = "redis"))]
use unshed::Shed;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 512;

/// Shorter, and a slow answer would bring a lock that has run out; longer, and a holder that died would keep others out for
/// hours: whoever needs it longer renews it.
const SHORTEST_TTL: Duration = Duration::from_millis(100);
const LONGEST_TTL: Duration = Duration::from_secs(3_600);

/// The pause before a lock that was busy is asked for again; it doubles up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Named locks, for what runs in several processes and is no job. Cheap to clone.
///
/// Jobs rarely need one: [`Job::unique`](crate::Job::unique) and [`Job::limits`](crate::Job::limits) keep them apart, and no crash leaks
/// what they hold.
///
/// One row in Postgres decides who has a lock, by the database's clock alone. A lock is a lease: whoever has it may be paused until it
/// has run out, wake up, and not know it. So nobody may trust in having it; whatever must not be done by two carries the
/// [fence](Held::fence), or is written in a transaction that asks [`still_mine`](Held::still_mine) first.
///
/// There is no line: of those who wait for a lock any one gets it.
#[derive(Debug, Clone)]
pub struct Locks {
    pool: PgPool,
    shed: Shed,
}

/// What came of asking for a lock.
#[derive(Debug)]
#[must_use = "the lock is kept from others until it runs out, whether it is used or not"]
pub enum Acquired {
    /// It is ours.
    Held(Held),
    /// Somebody else has it.
    Busy(Busy),
}

/// Who has a lock that was asked for, as it was when it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// The acquisition that has it; none where somebody else was just about to take it.
    pub holder: Option<Uuid>,
    /// When it runs out, unless it is renewed or given back; nothing where its holder's transaction keeps it beyond that.
    pub remaining: Duration,
}

impl Locks {
    /// Locks that are rows of this database.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, shed: Shed::default() }
    }

    /// The same, with a Redis that is asked first, and turns away who would only find a lock busy. Postgres decides as before: with
    /// any Redis, and when it is lost at any moment, there is one holder at a time.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn shedding(mut self, redis: Redis) -> Self {
        self.shed = Shed(Some(redis));
        self
    }

    /// Asks for a lock, and waits for nobody: it is ours for `ttl`, or somebody else's. A name has 1 to 512 bytes, `ttl` is 100 ms to an
    /// hour.
    ///
    /// An answer that was lost with its connection is asked for again under the same acquisition (L12). Where this future is
    /// dropped half way, the lock may have been taken: it is free when `ttl` is over.
    ///
    /// # Errors
    /// [`LockError::Invalid`], or what the database says; [`LockError::Unknown`] when its answer was lost twice.
    pub async fn acquire(&self, name: &str, ttl: Duration) -> Result<Acquired, LockError> {
        check(name, ttl)?;
        self.ask(name, ttl, true).await
    }

    /// Asks again and again, at least twice a second, until the lock is ours or `patience` is over.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_within(
        &self,
        name: &str,
        ttl: Duration,
        patience: Duration,
    ) -> Result<Acquired, LockError> {
        check(name, ttl)?;
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            // The last word is Postgres's.
            match self.ask(name, ttl, !left.is_zero()).await? {
                Acquired::Busy(_) if !left.is_zero() => {}
                answer @ (Acquired::Held(_) | Acquired::Busy(_)) => return Ok(answer),
            }
            tokio::time::sleep(jittered(pause).min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn ask(
        &self,
        name: &str,
        ttl: Duration,
        may_be_turned_away: bool,
    ) -> Result<Acquired, LockError> {
        // Measured from here, ours ends before the database's.
        let (holder, sent) = (Uuid::now_v7(), Instant::now());
        let asked = match self.shed.ask(name, holder, ttl, may_be_turned_away).await {
            Ok(asked) => asked,
            Err(busy) => return Ok(Acquired::Busy(busy)),
        };
        let answer = self.decide(name, holder, ttl).await;
        self.shed.decided(asked, name, holder, ttl, answer.as_ref().ok()).await;
        Ok(match answer? {
            Taken::Held { fence } => Acquired::Held(Held {
                locks: self.clone(),
                name: Arc::from(name),
                holder,
                fence,
                sent,
                ttl,
            }),
            Taken::Busy(busy) => Acquired::Busy(busy),
        })
    }

    /// Asks Postgres, and once more under the same holder where its answer was lost (L12).
    async fn decide(&self, name: &str, holder: Uuid, ttl: Duration) -> Result<Taken, LockError> {
        match self.take(name, holder, ttl).await {
            Err(error) if is_unknown(&error) => {}
            answer => return Ok(answer?),
        }
        match self.take(name, holder, ttl).await {
            Err(error) if is_unknown(&error) => {
                Err(LockError::Unknown { name: name.to_owned(), ttl, error })
            }
            answer => Ok(answer?),
        }
    }

    async fn take(&self, name: &str, holder: Uuid, ttl: Duration) -> Result<Taken, sqlx::Error> {
        let row = sqlx::query_file!("sql/lock/take.sql", name, holder, ttl.as_secs_f64())
            .fetch_one(&self.pool)
            .await?;
        Ok(if row.held {
            Taken::Held { fence: row.fence }
        } else {
            let remaining = Duration::try_from_secs_f64(row.remaining).unwrap_or_default();
            Taken::Busy(Busy { holder: row.holder, remaining })
        })
    }
}

enum Taken {
    Held { fence: i64 },
    Busy(Busy),
}

/// Whether a statement may have taken place although it failed.
fn is_unknown(error: &sqlx::Error) -> bool {
    let unsent = matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed);
    error.breaks_the_line() && !unsent
}

fn check(name: &str, ttl: Duration) -> Result<(), LockError> {
    let problem = if name.is_empty() || name.len() > LONGEST_NAME {
        format!("a lock's name has {} bytes; it needs 1 to {LONGEST_NAME}", name.len())
    } else if name.contains('\0') {
        format!("the name {name:?} of a lock contains a NUL character: leave it out")
    } else if !(SHORTEST_TTL..=LONGEST_TTL).contains(&ttl) {
        format!(
            "the lock {name:?} is asked for {ttl:?}; {SHORTEST_TTL:?} to {LONGEST_TTL:?} can be had, and renewed"
        )
    } else {
        return Ok(());
    };
    Err(LockError::Invalid(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_a_time_that_cannot_be_is_refused_with_a_word() {
        let second = Duration::from_secs(1);
        for (name, ttl, says) in [
            ("", second, "0 bytes"),
            (&*"n".repeat(513), second, "513 bytes"),
            ("a\0b", second, "NUL"),
            ("a", Duration::from_millis(99), "99ms"),
            ("a", Duration::from_secs(3_601), "3601s"),
            ("a", Duration::MAX, "to 3600s"),
        ] {
            let told = check(name, ttl).unwrap_err().to_string();
            assert!(told.contains(says), "{told}");
        }
        assert!(check(&"n".repeat(512), SHORTEST_TTL).is_ok());
        assert!(check("ä", LONGEST_TTL).is_ok());
    }
}

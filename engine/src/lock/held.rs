//! A lock that was taken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use uuid::Uuid;

use super::{LockError, Locks, check, is_unknown};

/// A lock that is ours until it runs out. Dropping it gives nothing back: it is free when its time is over, as if the process
/// had died. [`release`](Self::release) frees it at once.
#[derive(Debug)]
#[must_use = "a lock that is dropped is kept from others until it runs out"]
pub struct Held {
    pub(super) locks: Locks,
    pub(super) name: Arc<str>,
    pub(super) holder: Uuid,
    pub(super) fence: i64,
    /// When the last request that made or renewed it was sent.
    pub(super) sent: Instant,
    pub(super) ttl: Duration,
}

/// How a lock stands whose row did not change.
enum Standing {
    /// Ours, and locked by a transaction.
    Held,
    /// Given back, and by nobody taken since.
    GivenBack,
    Lost,
}

impl Held {
    /// The number of this acquisition: higher than that of everyone who had this lock before, also after its row was forgotten,
    /// and lower than that of everyone after. Who keeps the highest that he has seen, and refuses lower ones, is safe from late writers.
    #[must_use]
    pub const fn fence(&self) -> i64 {
        self.fence
    }

    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// This acquisition, as others see it in [`Busy`](super::Busy).
    #[must_use]
    pub const fn holder(&self) -> Uuid {
        self.holder
    }

    /// For how long nobody else gets it, by this process's own clock, and a little less than by the database's. A call to others
    /// should be shorter.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.ttl.saturating_sub(self.sent.elapsed())
    }

    /// Makes it last for `ttl` from now on. One that has run out is not renewed, whether anybody has taken it or not. Renew at a third of
    /// the time or so.
    ///
    /// # Errors
    /// [`LockError::Lost`]; [`LockError::InUse`] while a transaction of ours has asked [`still_mine`](Self::still_mine) and not ended; or what
    /// the database says.
    pub async fn renew(&mut self, ttl: Duration) -> Result<(), LockError> {
        check(&self.name, ttl)?;
        let sent = Instant::now();
        let renewed = match self.write_renewal(ttl).await {
            // Twice is as good as once.
            Err(error) if is_unknown(&error) => self.write_renewal(ttl).await?,
            answer => answer?,
        };
        if !renewed {
            return Err(match self.standing().await? {
                Standing::Held => self.in_use(),
                Standing::GivenBack | Standing::Lost => self.lost(),
            });
        }
        (self.sent, self.ttl) = (sent, ttl);
        self.locks.shed.renewed(&self.name, self.holder, self.remaining()).await;
        Ok(())
    }

    /// Gives it back: whoever asks next has it.
    ///
    /// # Errors
    /// [`LockError::Lost`] when it had run out: whatever was done under it may have been done beside somebody else.
    /// [`LockError::InUse`] as for [`renew`](Self::renew): it is free when it has run out. Or what the database says.
    pub async fn release(self) -> Result<(), LockError> {
        let released = match self.write_release().await {
            Err(error) if is_unknown(&error) => self.write_release().await?,
            answer => answer?,
        };
        self.locks.shed.released(&self.name, self.holder).await;
        if released {
            return Ok(());
        }
        match self.standing().await? {
            // By the first of two attempts, whose answer was lost.
            Standing::GivenBack => Ok(()),
            Standing::Held => Err(self.in_use()),
            Standing::Lost => Err(self.lost()),
        }
    }

    /// Asks in a transaction whether it is still ours; if so, nobody takes it before that transaction has ended, however long
    /// it lasts. What is written there is written by one holder at a time, in the order of their fences. Outside of a
    /// transaction it says little: it may be lost as soon as it was said.
    ///
    /// # Errors
    /// [`LockError::Lost`]: roll back. Or what the database says.
    pub async fn still_mine(&self, tx: &mut PgConnection) -> Result<(), LockError> {
        let mine = sqlx::query_file!("sql/lock/mine.sql", &*self.name, self.holder, self.fence)
            .fetch_optional(tx)
            .await?;
        mine.map(drop).ok_or_else(|| self.lost())
    }

    async fn write_renewal(&self, ttl: Duration) -> Result<bool, sqlx::Error> {
        let (holder, seconds) = (self.holder, ttl.as_secs_f64());
        let renewed =
            sqlx::query_file!("sql/lock/renew.sql", &*self.name, holder, self.fence, seconds)
                .execute(&self.locks.pool)
                .await?;
        Ok(renewed.rows_affected() == 1)
    }

    async fn write_release(&self) -> Result<bool, sqlx::Error> {
        let released =
            sqlx::query_file!("sql/lock/release.sql", &*self.name, self.holder, self.fence)
                .execute(&self.locks.pool)
                .await?;
        Ok(released.rows_affected() == 1)
    }

    async fn standing(&self) -> Result<Standing, sqlx::Error> {
        let row = sqlx::query_file!("sql/lock/standing.sql", &*self.name, self.holder, self.fence)
            .fetch_optional(&self.locks.pool)
            .await?;
        Ok(match row {
            Some(row) if row.held => Standing::Held,
            Some(row) if row.given_back => Standing::GivenBack,
            Some(_) | None => Standing::Lost,
        })
    }

    fn lost(&self) -> LockError {
        LockError::Lost { name: self.name.as_ref().to_owned() }
    }

    fn in_use(&self) -> LockError {
        LockError::InUse { name: self.name.as_ref().to_owned() }
    }
}

//! The transactional step: effect and checkpoint in one commit.

use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, PgPool};

use super::boundary::Boundary;
use super::checkpoint::Current;
use super::{Promise, Run, Step, Weight};
use crate::committer::{Change, Mark, StepState, fence, write_owned};
use crate::enqueue::EnqueueError;
use crate::failure::{Failure, Result, Stop};

impl<A> Run<'_, A> {
    /// Does it exactly once, in our own database: what the closure writes and the checkpoint commit together, or
    /// neither does (P3). The closure runs with the job's row locked, so keep it short and call nobody from it.
    ///
    /// The closure may run again when the transaction did not commit; a role that it sets with `SET LOCAL` is
    /// reset before the checkpoint is written.
    ///
    /// # Errors
    /// What the closure returns; the transaction is then rolled back.
    pub async fn transact<T, F>(&mut self, step: impl Into<Step>, body: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send,
        F: AsyncFnOnce(&mut PgConnection) -> Result<T> + Send,
    {
        let step = step.into();
        self.enter(step.name)?;
        let known = self.answer(&step, Promise::AtLeastOnce, Weight::Required)?;
        if let Some(value) = known.and_then(super::Outcome::done) {
            return Ok(value);
        }
        self.begins(step.name)?;
        let (since, promise) = (Instant::now(), Promise::AtLeastOnce);
        let (name, starts, outages, again) = (step.name, 1, 0, false);
        self.current = Some(Current { name, starts, outages, since, promise, again });
        self.world.reach(Boundary::BeforeStarted, Some(step.name)).await;
        let mut tx = self.world.pool.begin().await?;
        let worker = self.world.lease.worker;
        let mut change = Change::of(self.claim);
        if !fence(&mut tx, worker, &[&change]).await?.contains(&self.claim) {
            return Err(Stop::Lost);
        }
        self.world.reach(Boundary::AfterStarted, Some(step.name)).await;
        let value = body(&mut tx).await?;
        self.world.reach(Boundary::AfterEffect, Some(step.name)).await;
        sqlx::query("RESET ROLE").execute(&mut *tx).await?;
        change.mark = self.mark;
        change.steps = self.pending.clone();
        change.steps.push(self.done(&step, &value).await?);
        // It ends nothing and enqueues nothing, so there is nobody to tell.
        let _hints =
            write_owned(&mut tx, worker, &[&change]).await.map_err(|error| match error {
                EnqueueError::Database(error) => Stop::from(error),
                error @ (EnqueueError::Encode { .. }
                | EnqueueError::Invalid { .. }
                | EnqueueError::Contended { .. }
                | EnqueueError::Unknown) => Stop::Failed(Failure::new(
                    crate::failure::Class::ProvisioningError,
                    "enqueue",
                    error.to_string(),
                )),
            })?;
        if let Err(error) = tx.commit().await
            && !self.committed(step.name).await
        {
            return Err(Stop::from(error));
        }
        self.pending.clear();
        self.mark = Mark::Keep;
        self.current = None;
        self.world.reach(Boundary::AfterCheckpoint, Some(step.name)).await;
        Ok(value)
    }

    /// Whether a commit whose answer was lost took place (L12): the checkpoint with our token says so.
    async fn committed(&self, step: &str) -> bool {
        let found = saved_by(&self.world.pool, self.claim.job.uuid(), step, self.claim.token).await;
        found.unwrap_or(false)
    }
}

async fn saved_by(
    pool: &PgPool,
    job: uuid::Uuid,
    step: &str,
    token: i64,
) -> std::result::Result<bool, sqlx::Error> {
    let saved =
        sqlx::query_file_scalar!("sql/step_saved.sql", job, step, token, StepState::Done.name())
            .fetch_one(pool)
            .await?;
    Ok(saved)
}

//! How a test brings jobs into its world. Those of a sealed kind are sealed, where the world has a vault.

use super::World;
use crate::enqueue::{Enqueued, NewJob, enqueue};
use crate::ids::JobId;
use crate::job::Job;

impl<A: Send + Sync + 'static> World<A> {
    /// Enqueues a job.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn enqueue<J: Job>(&self, job: &J) -> JobId {
        self.add(NewJob::of(job).expect("the job is JSON")).await
    }

    /// Enqueues a job, wherever and whenever it is to run.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn add(&self, job: NewJob) -> JobId {
        self.submit(job).await.id()
    }

    /// Enqueues jobs in one transaction, in their order.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn add_all(&self, jobs: Vec<NewJob>) -> Vec<JobId> {
        self.submit_all(jobs).await.into_iter().map(Enqueued::id).collect()
    }

    /// Enqueues a job in a transaction of its own, and says whether it is new.
    ///
    /// # Panics
    /// When the database refuses.
    pub async fn submit(&self, job: NewJob) -> Enqueued {
        self.submit_all(vec![job]).await.into_iter().next().expect("one answer for one job")
    }

    async fn submit_all(&self, mut jobs: Vec<NewJob>) -> Vec<Enqueued> {
        if let Some(vault) = &self.vault {
            for job in &mut jobs {
                *job = job.clone().sealed(vault).await.expect("the payload is sealed");
            }
        }
        let mut tx = self.pool().begin().await.unwrap();
        let enqueued = enqueue(&mut tx, &jobs).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(enqueued.len(), jobs.len(), "one answer for each job");
        enqueued
    }
}

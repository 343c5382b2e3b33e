//! Studios that have paid, their database and their providers.

use std::path::PathBuf;
use std::sync::Arc;

use autopilot_engine::WorkspaceId;
use autopilot_sandbox::{Checkout, Options, Sandbox};
use autopilot_workflows::provisioning;
use autopilot_workflows::state::workspaces;
use serde_json::Value;
use sqlx::PgPool;
use tokio::task::JoinSet;

use super::providers::{self, Provider};
use crate::arguments::Arguments;
use crate::server::{Database, Server};
use crate::{Failure, report};

/// All that the program is measured on.
pub(super) struct Scene {
    pub(super) database: Database,
    pub(super) pool: PgPool,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) studios: Vec<WorkspaceId>,
    /// For the ledger and the program's log.
    pub(super) folder: PathBuf,
}

impl Scene {
    /// Registers studios whose customers have subscribed. Nothing is due.
    pub(super) async fn set(
        server: &mut Server,
        arguments: &Arguments,
        studios: usize,
        providers: &[Provider],
    ) -> Result<Self, Failure> {
        let temporary =
            std::env::temp_dir().join(format!("autopilot-scale-{}", std::process::id()));
        let folder: PathBuf = arguments.get("folder", temporary)?;
        std::fs::create_dir_all(&folder)?;
        let ledger = folder.join("ledger.jsonl");
        if ledger.exists() {
            std::fs::remove_file(&ledger)?;
        }
        let mut options = Options::new(&ledger);
        options.subaccount_limit = studios + 1;
        options.limits = providers::limits(providers);
        let sandbox = Arc::new(Sandbox::start(options).await?);
        let database = server.fresh("studios").await?;
        let pool = database.pool().await?;
        autopilot_workflows::MIGRATOR.run(&pool).await?;
        let studios: Vec<WorkspaceId> = (0..studios).map(|_| WorkspaceId::now_v7()).collect();
        report::progress(&format!("{} studios pay", studios.len()));
        let paid = pay(&sandbox, &studios).await?;
        let mut tx = pool.begin().await?;
        for (studio, customer) in &paid {
            workspaces::ensure(&mut tx, *studio).await?;
            workspaces::bind_customer(&mut tx, *studio, customer).await?;
        }
        tx.commit().await?;
        Ok(Self { database, pool, sandbox, studios, folder })
    }

    /// Triggers every studio's provisioning, in one commit.
    pub(super) async fn make_due(&self) -> Result<(), Failure> {
        let mut tx = self.pool.begin().await?;
        for studio in &self.studios {
            let _run = provisioning::trigger(&mut tx, *studio, None).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Stops the providers, and drops the database.
    pub(super) async fn strike(self, server: &mut Server) -> Result<(), Failure> {
        self.pool.close().await;
        if let Some(sandbox) = Arc::into_inner(self.sandbox) {
            sandbox.stop().await;
        }
        server.drop(self.database).await
    }
}

/// Completes a checkout for each studio, all at once: each with its customer.
async fn pay(
    sandbox: &Arc<Sandbox>,
    studios: &[WorkspaceId],
) -> Result<Vec<(WorkspaceId, String)>, Failure> {
    let mut paying = JoinSet::new();
    for studio in studios.iter().copied() {
        let sandbox = Arc::clone(sandbox);
        paying.spawn(async move {
            let outcome = sandbox.checkout(&Checkout::new(studio.to_string())).await?;
            let customer = outcome.event.pointer("/data/object/customer").and_then(Value::as_str);
            let customer = customer.ok_or("a checkout without a customer")?.to_owned();
            Ok::<_, Failure>((studio, customer))
        });
    }
    let mut paid = Vec::with_capacity(studios.len());
    while let Some(one) = paying.join_next().await {
        paid.push(one??);
    }
    Ok(paid)
}

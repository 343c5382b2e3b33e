//! durare: workflows started directly in this process, a checkpoint a step.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use durare::{DurableContext, DurableEngine, PostgresProvider, WorkflowOptions};
use sqlx08::postgres::{PgConnectOptions, PgPoolOptions};

use crate::workflow::{Engine, STEPS};

/// More made 64 concurrent workflows slower on two cores.
const CONNECTIONS: u32 = 32;
const SCHEMA: &str = "dbos";
const NAME: &str = "seven_steps";
const STOP_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Durare {
    engine: Arc<DurableEngine>,
}

async fn seven_steps(context: DurableContext, _: i64) -> durare::Result<i64> {
    let mut sum = 0;
    for number in 1..=STEPS {
        sum += context.step("step", move || async move { durare::Result::Ok(number) }).await?;
    }
    Ok(sum)
}

impl Engine for Durare {
    const SYSTEM: &'static str = "durare";
    const PACKAGE: &'static str = "durare";

    fn settings() -> String {
        format!("direct start in process, pool of {CONNECTIONS}, no queue")
    }

    async fn launch(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.options([("search_path", SCHEMA)]);
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?;
        let provider = PostgresProvider::from_pool_with_schema(pool, SCHEMA)?;
        let mut builder = DurableEngine::builder(Arc::new(provider));
        builder.register(NAME, seven_steps);
        let engine = builder.build().await?;
        engine.launch().await?;
        Ok(Self { engine: Arc::new(engine) })
    }

    async fn run(&self, n: i64) -> Result<i64> {
        Ok(self.engine.start::<_, i64>(NAME, n, WorkflowOptions::default()).await?.await?)
    }

    async fn stop(self) -> Result<()> {
        Ok(self.engine.shutdown(STOP_PATIENCE).await?)
    }
}

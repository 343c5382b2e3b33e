//! DBOS Transact for Rust: workflows started directly in this process, a checkpoint a step.

use anyhow::Result;
use dbos::{Config, DBOS, WorkflowRef};

use crate::workflow::{Engine, STEPS};

/// More made 64 concurrent workflows slower on two cores.
const CONNECTIONS: u32 = 32;

#[derive(Clone)]
pub struct Dbos {
    dbos: DBOS,
    workflow: WorkflowRef<i64, i64>,
}

async fn seven_steps(_: i64) -> dbos::Result<i64> {
    let mut sum = 0;
    for number in 1..=STEPS {
        sum += dbos::step("step", || async move { dbos::Result::Ok(number) }).await?;
    }
    Ok(sum)
}

impl Engine for Dbos {
    const SYSTEM: &'static str = "dbos";
    const PACKAGE: &'static str = "dbos";

    fn settings() -> String {
        format!("direct start in process, pool of {CONNECTIONS}, no queue")
    }

    async fn launch(url: &str) -> Result<Self> {
        let dbos = DBOS::new(Config {
            app_version: Some("1".to_owned()),
            max_connections: CONNECTIONS,
            ..Config::new("autopilot-peers", url)
        });
        let workflow = dbos.register_workflow("seven_steps", seven_steps)?;
        dbos.launch().await?;
        Ok(Self { dbos, workflow })
    }

    async fn run(&self, n: i64) -> Result<i64> {
        Ok(self.workflow.run(n).await?)
    }

    async fn stop(self) -> Result<()> {
        self.dbos.shutdown().await;
        Ok(())
    }
}

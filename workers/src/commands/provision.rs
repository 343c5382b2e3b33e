//! `autopilot provision`: one studio, again or for the first time.

use autopilot_workflows::provisioning::Triggered;
use serde_json::json;

use super::runs;
use crate::cli::Provision;
use crate::config::Database;
use crate::console::Console;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::{database, studio};

/// Starts a run or joins the one under way, and follows it if asked.
///
/// # Errors
/// [`Exit::NotFound`] for a workspace that is not registered; the database's.
pub(crate) async fn run(
    args: &Provision,
    config: &Database,
    console: Console,
) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    let workspace = args.workspace;
    let mut tx = pool.begin().await?;
    let triggered = studio::provision(&mut tx, workspace).await?.ok_or_else(|| {
        Fail::new(
            Exit::NotFound,
            format!(
                "workspace {workspace} is not registered; `autopilot workspaces add {workspace}`"
            ),
        )
    })?;
    tx.commit().await?;
    autopilot_engine::hint(&pool, Triggered::QUEUE).await;
    let value = json!({ "workspace": workspace, "run": triggered.run, "joined": triggered.joined });
    console.show(&value, || {
        let done = if triggered.joined { "joined" } else { "started" };
        vec![format!("{done} run {}", triggered.run)]
    })?;
    if args.watch { runs::watch(&pool, triggered.run, console).await } else { Ok(Exit::Ok) }
}

//! `autopilot weights`: what workspaces weigh where they take turns.

use autopilot_engine::WorkspaceId;
use autopilot_engine::ops::weights;
use serde_json::{Value, json};

use crate::cli::Weights;
use crate::config::Database;
use crate::console::{Console, table};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::Failed`] for a weight that makes no sense.
pub(crate) async fn run(
    command: Weights,
    config: &Database,
    console: Console,
) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    match command {
        Weights::List => {
            let found = weights::list(&pool).await?;
            let value = |(workspace, weight): &(WorkspaceId, f64)| json!({ "workspace": workspace, "weight": weight });
            let values: Vec<Value> = found.iter().map(value).collect();
            console.show(&values, || {
                let row =
                    |(workspace, weight): &(_, f64)| [format!("{workspace}"), weight.to_string()];
                table(["WORKSPACE", "WEIGHT"], found.iter().map(row).collect())
            })?;
        }
        Weights::Set { workspace, weight } => {
            weights::set(&pool, workspace, weight).await?;
            let value = json!({ "workspace": workspace, "weight": weight });
            console.show(&value, || {
                vec![format!("{workspace} weighs {weight}, in ten seconds at the latest")]
            })?;
        }
    }
    Ok(Exit::Ok)
}

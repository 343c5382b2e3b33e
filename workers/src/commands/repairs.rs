//! `autopilot repairs`: what checks found, and what came of it.

use autopilot_workflows::state::repairs::{self, Repair};

use crate::cli::Repairs;
use crate::config::Database;
use crate::console::{Console, table, utc};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

/// Runs one of the commands.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn run(
    command: Repairs,
    config: &Database,
    console: Console,
) -> Result<Exit, Fail> {
    let Repairs::List { workspace, limit } = command;
    let pool = database::open(config).await?;
    let mut conn = pool.acquire().await?;
    let found = repairs::list(&mut conn, workspace, limit).await?;
    console.show(&found, || {
        if found.is_empty() {
            return vec!["no check has found anything".to_owned()];
        }
        let head = ["FOUND AT (UTC)", "WORKSPACE", "WHAT", "OUTCOME", "FOUND", "DONE", "RUN"];
        table(head, found.iter().map(row).collect())
    })?;
    Ok(Exit::Ok)
}

fn row(repair: &Repair) -> [String; 7] {
    [
        utc(repair.found_at),
        repair.workspace.to_string(),
        repair.component.name().to_owned(),
        repair.outcome.name().to_owned(),
        repair.found.clone(),
        repair.done.clone(),
        repair.run.map(|run| run.to_string()).unwrap_or_default(),
    ]
}

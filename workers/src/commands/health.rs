//! `autopilot health`: how a studio stands, or all of them. Asks no provider.

use crate::cli::Health;
use crate::config::Database;
use crate::console::Console;
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::health::{self, Overall, Page, fleet_lines, workspace_lines};

/// Shows how a studio stands, or all of them; [`Exit::Failed`] for what is unhealthy.
///
/// # Errors
/// [`Exit::NotFound`] for a workspace that is not registered; the database's.
pub(crate) async fn run(args: Health, config: &Database, console: Console) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    let overall = match args.workspace {
        Some(workspace) => {
            let Some(found) = health::of(&pool, workspace).await? else {
                let message = format!(
                    "workspace {workspace} is not registered; `autopilot workspaces add {workspace}`"
                );
                return Err(Fail::new(Exit::NotFound, message));
            };
            console.show(&found, || workspace_lines(&found))?;
            found.overall
        }
        None => {
            let page = Page { after: args.after, limit: args.limit };
            let found = health::all(&pool, page).await?;
            console.show(&found, || fleet_lines(&found))?;
            found.overall
        }
    };
    Ok(if overall == Overall::Unhealthy { Exit::Failed } else { Exit::Ok })
}

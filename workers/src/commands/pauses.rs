//! `autopilot pauses`: what stands still because somebody said so.

use autopilot_engine::ops::pauses::{self, Pause};
use serde_json::json;

use crate::cli::Pauses;
use crate::config::Database;
use crate::console::{Console, table, utc};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

/// Runs one of the commands.
///
/// # Errors
/// [`Exit::NotFound`] where nothing of that name was paused.
pub(crate) async fn run(
    command: Pauses,
    config: &Database,
    console: Console,
) -> Result<Exit, Fail> {
    let pool = database::open(config).await?;
    match command {
        Pauses::List => {
            let paused = pauses::list(&pool).await?;
            console.show(&paused, || table(HEAD, paused.iter().map(row).collect()))?;
        }
        Pauses::Add { what, reason } => {
            pauses::pause(&pool, &what, &reason).await?;
            let value = json!({ "paused": what.to_string(), "reason": reason });
            console
                .show(&value, || vec![format!("{what} is paused; what runs goes on to its end")])?;
        }
        Pauses::Remove { what } => {
            if !pauses::resume(&pool, &what).await? {
                let message =
                    format!("{what} is not paused; `autopilot pauses list` shows what is");
                return Err(Fail::new(Exit::NotFound, message));
            }
            let value = json!({ "resumed": what.to_string() });
            console.show(&value, || vec![format!("{what} goes on")])?;
        }
    }
    Ok(Exit::Ok)
}

const HEAD: [&str; 5] = ["WHAT", "NAME", "SINCE (UTC)", "ASIDE", "REASON"];

fn row(pause: &Pause) -> [String; 5] {
    [
        pause.scope.clone(),
        pause.name.clone(),
        utc(pause.paused_at),
        pause.aside.to_string(),
        pause.reason.clone(),
    ]
}

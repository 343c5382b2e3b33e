//! `autopilot keys`: which of the keys that seal credentials are needed, and changing them.

use autopilot_engine::secrets::{KeyUse, Vault};
use serde_json::json;

use crate::app;
use crate::cli::Keys;
use crate::config::Config;
use crate::console::{Console, table};
use crate::database;
use crate::exit::Exit;
use crate::fail::Fail;

/// Runs one of the commands.
///
/// # Errors
/// When the database cannot be reached, ENCRYPTION_KEY is not set, or is not what the database knows.
pub(crate) async fn run(command: Keys, config: &Config, console: Console) -> Result<Exit, Fail> {
    let keyring = app::keyring(&config.encryption.keys)?;
    let pool = database::open(&config.database).await?;
    let vault = Vault::open(&pool, keyring).await?;
    match command {
        Keys::List => {
            let keys = vault.uses().await?;
            console.show(&keys, || listed(&keys))?;
        }
        Keys::Rewrap => {
            let wrapped = vault.rewrap().await?;
            let keys = vault.uses().await?;
            let value = json!({ "wrapped": wrapped, "keys": keys });
            console.show(&value, || rewrapped(wrapped, &keys))?;
        }
    }
    Ok(Exit::Ok)
}

fn listed(keys: &[KeyUse]) -> Vec<String> {
    let row = |key: &KeyUse| {
        let does = if key.is_primary { "seals and opens" } else { "opens" };
        [key.id.clone(), does.to_owned(), key.workspaces.to_string()]
    };
    let mut lines = table(["KEY", "DOES", "NEEDED BY STUDIOS"], keys.iter().map(row).collect());
    lines.push(String::new());
    lines.extend(next(keys));
    lines
}

fn rewrapped(wrapped: u64, keys: &[KeyUse]) -> Vec<String> {
    let primary = keys.iter().find(|key| key.is_primary).map_or("the first", |key| &key.id);
    let mut lines = vec![match wrapped {
        0 => format!("{primary} wrapped everything already"),
        1 => format!("the credentials of 1 studio are wrapped by {primary} now"),
        many => format!("the credentials of {many} studios are wrapped by {primary} now"),
    }];
    lines.extend(next(keys));
    lines
}

/// What is to be done about each key that does not seal.
fn next(keys: &[KeyUse]) -> Vec<String> {
    let others: Vec<&KeyUse> = keys.iter().filter(|key| !key.is_primary).collect();
    let say = |key: &&KeyUse| match key.workspaces {
        0 => format!(
            "{}: once every process has been restarted with the first key before it, it can be dropped from ENCRYPTION_KEY",
            key.id
        ),
        _ => format!(
            "{}: needed until `autopilot keys rewrap`, when every process has been restarted with the first key before it",
            key.id
        ),
    };
    if others.is_empty() {
        return vec![
            "there is one key, and it is needed; `autopilot keys --help` says how to change it"
                .to_owned(),
        ];
    }
    others.iter().map(say).collect()
}

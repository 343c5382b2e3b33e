//! `autopilot workspaces`: studios, as the product tells us of them.

use serde_json::json;

use crate::cli::{AddWorkspace, Workspaces};
use crate::config::Config;
use crate::console::Console;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::studio::{self, Description};
use crate::{app, database};

/// Registers and describes a studio.
///
/// # Errors
/// When the database cannot be reached or refuses.
pub(crate) async fn run(
    command: Workspaces,
    config: &Config,
    console: Console,
) -> Result<Exit, Fail> {
    let Workspaces::Add(args) = command;
    let default_country = app::default_country(&config.provisioning)?;
    let pool = database::open(&config.database).await?;
    let workspace = args.workspace;
    let mut tx = pool.begin().await?;
    let created = studio::register(&mut tx, workspace).await?;
    if let Some(account) = &args.stripe_account
        && let Err(studio::Taken { owner }) = studio::connect(&mut tx, workspace, account).await?
    {
        let message = format!(
            "{account} belongs to workspace {owner}; an account never moves. Nothing was written"
        );
        return Err(Fail::new(Exit::Failed, message));
    }
    let said = description(args);
    if let Some(said) = &said {
        studio::describe(&mut tx, workspace, said, default_country).await?;
    }
    tx.commit().await?;
    let described = said.is_some();
    let value = json!({ "workspace": workspace, "created": created, "described": described });
    console.show(&value, || {
        let done = if created { "registered" } else { "was registered already" };
        let profile = if described { ", profile written" } else { "" };
        vec![format!("workspace {workspace} {done}{profile}")]
    })?;
    Ok(Exit::Ok)
}

fn description(args: AddWorkspace) -> Option<Description> {
    Some(Description {
        name: args.name?,
        country: args.country,
        locale: args.locale,
        contact_email: args.contact_email,
        twilio_address: args.twilio_address_sid,
        twilio_bundle: args.twilio_bundle_sid,
    })
}

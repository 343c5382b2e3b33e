//! `autopilot runs fork`: a run once more from one of its steps.

use autopilot_engine::ops;
use autopilot_engine::secrets::Vault;
use sqlx::PgPool;

use crate::app;
use crate::cli::Fork;
use crate::config::Config;
use crate::console::Console;
use crate::exit::Exit;
use crate::fail::Fail;

/// Forks it, and says what that means.
pub(super) async fn run(
    pool: &PgPool,
    args: &Fork,
    config: &Config,
    console: Console,
) -> Result<Exit, Fail> {
    let keys = &config.encryption.keys;
    let vault =
        if keys.is_empty() { None } else { Some(Vault::open(pool, app::keyring(keys)?).await?) };
    let input = args.input.as_deref();
    let forked = ops::fork(pool, vault.as_ref(), args.id, &args.from, input).await?;
    autopilot_engine::hint(pool, forked.queue.as_str()).await;
    console.show(&forked, || lines(&forked))?;
    Ok(Exit::Ok)
}

fn lines(forked: &ops::Forked) -> Vec<String> {
    let ops::Forked { id, from, at, queue, kept, runs, .. } = forked;
    let mut lines = vec![
        format!("{id} is forked from {from} at {at}, and due in queue {queue}"),
        format!("these steps will run, with new keys, and take effect again: {}", runs.join(", ")),
    ];
    if !kept.is_empty() {
        lines.push(format!("these are taken over and do not run: {}", kept.join(", ")));
        lines.push(
            "if it fails for good, it undoes those as well, where its code says how: they are done for both runs".to_owned(),
        );
    }
    lines
}

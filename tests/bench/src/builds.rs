//! Builds the adapters. One that is missing or does not build is no reason to stop: it is told.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// Thin LTO and one codegen unit, for ours and the peers alike.
const PROFILE: [(&str, &str); 2] =
    [("CARGO_PROFILE_RELEASE_LTO", "thin"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")];

/// The command line of an adapter, or why there is none.
pub(crate) type Built = Result<Vec<PathBuf>, String>;

/// Our own adapter.
pub(crate) async fn ours(root: &Path) -> Built {
    present(root, "engine/benches/load/Cargo.toml")?;
    let target = target(root);
    let mut cargo = cargo(root, &target);
    cargo.args(["-p", "autopilot-load"]);
    succeed(cargo, "autopilot-load").await?;
    Ok(vec![target.join("release/autopilot-load")])
}

/// The adapter of the peers from crates.io, which have a lock file and a target folder of their own.
pub(crate) async fn peers(root: &Path) -> Built {
    let manifest = present(root, "tests/peers/Cargo.toml")?;
    let target = target(root).join("peers");
    let mut cargo = cargo(root, &target);
    if manifest.with_file_name("Cargo.lock").is_file() {
        cargo.arg("--locked");
    }
    cargo.arg("--manifest-path").arg(manifest);
    succeed(cargo, "tests/peers").await?;
    Ok(vec![target.join("release/autopilot-peers")])
}

/// The adapter of the peers from npm.
pub(crate) async fn node_peers(root: &Path) -> Built {
    let adapter = present(root, "tests/peers/node/adapter.mjs")?;
    let folder = adapter.parent().unwrap_or(root);
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(folder);
    succeed(npm, "npm ci in tests/peers/node").await?;
    Ok(vec![PathBuf::from("node"), adapter])
}

fn present(root: &Path, path: &str) -> Result<PathBuf, String> {
    let full = root.join(path);
    if full.is_file() { Ok(full) } else { Err(format!("there is no {path}")) }
}

/// The caller's target folder.
fn target(root: &Path) -> PathBuf {
    let chosen = env::var_os("CARGO_TARGET_DIR").filter(|chosen| !chosen.is_empty());
    root.join(chosen.unwrap_or_else(|| "target".into()))
}

fn cargo(root: &Path, target: &Path) -> Command {
    let cargo = env::var_os("CARGO").filter(|cargo| !cargo.is_empty());
    let mut command = Command::new(cargo.unwrap_or_else(|| "cargo".into()));
    command.args(["build", "-q", "--release"]).current_dir(root);
    // The database is for running, not for checking queries.
    command.envs(PROFILE).env("CARGO_TARGET_DIR", target).env_remove("DATABASE_URL");
    command
}

async fn succeed(mut command: Command, what: &str) -> Result<(), String> {
    // What a compiler says is for whoever sits in front of it.
    let status =
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).status().await;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} did not build ({status})")),
        Err(error) => Err(format!("{what} did not build: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[tokio::test]
    async fn an_adapter_that_is_not_there_is_named() {
        let folder = Folder::new();
        for built in
            [ours(folder.path()).await, peers(folder.path()).await, node_peers(folder.path()).await]
        {
            assert!(built.unwrap_err().starts_with("there is no "));
        }
    }

    #[tokio::test]
    async fn a_build_that_fails_says_of_what() {
        let reason = succeed(Command::new("false"), "tests/peers").await.unwrap_err();
        assert!(reason.starts_with("tests/peers did not build"), "{reason}");
        let reason = succeed(Command::new("no-such-program"), "x").await.unwrap_err();
        assert!(reason.starts_with("x did not build"), "{reason}");
    }
}

//! Builds the adapters. One that is missing or does not build is no reason to stop: it is told.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::say;

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
    succeed(cargo, "autopilot-load did not build").await?;
    Ok(vec![target.join("release/autopilot-load")])
}

/// Our adapter of webhooks, beside the program that it measures; wrk puts the load on, and is installed where that can be.
pub(crate) async fn webhooks(root: &Path) -> Built {
    present(root, "tests/bench/webhook/Cargo.toml")?;
    provide("wrk").await?;
    let target = target(root);
    let mut cargo = cargo(root, &target);
    cargo.args(["-p", "autopilot", "-p", "autopilot-webhook-load"]);
    succeed(cargo, "autopilot-webhook-load did not build").await?;
    Ok(vec![target.join("release/autopilot-webhook-load")])
}

/// Sees to it that there is a program that a Debian package of its name has: says so, and installs that as root.
async fn provide(package: &str) -> Result<(), String> {
    let found = env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(package).is_file()));
    if found {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        return Err(format!("there is no {package}: install that package, or run this as root"));
    }
    say(&format!("installing the package {package} with apt-get"));
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    let failure = format!("apt-get could not install {package}");
    let install = || apt(&["install", "-y", "--no-install-recommends", package]);
    if succeed(install(), &failure).await.is_ok() {
        return Ok(());
    }
    // The lists of a fresh image are empty, those of an old one name packages that are gone.
    succeed(apt(&["update"]), &failure).await?;
    succeed(install(), &failure).await
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
    succeed(cargo, "tests/peers did not build").await?;
    Ok(vec![target.join("release/autopilot-peers")])
}

/// The adapter of the peers from npm.
pub(crate) async fn node_peers(root: &Path) -> Built {
    let adapter = present(root, "tests/peers/node/adapter.mjs")?;
    let folder = adapter.parent().unwrap_or(root);
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(folder);
    succeed(npm, "npm ci in tests/peers/node did not build").await?;
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

/// Runs a command to its end; where it fails, the reason begins with `failure`.
async fn succeed(mut command: Command, failure: &str) -> Result<(), String> {
    // What a compiler says is for whoever sits in front of it.
    let status =
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).status().await;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{failure} ({status})")),
        Err(error) => Err(format!("{failure}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[tokio::test]
    async fn an_adapter_that_is_not_there_is_named() {
        let folder = Folder::new();
        for built in [
            ours(folder.path()).await,
            webhooks(folder.path()).await,
            peers(folder.path()).await,
            node_peers(folder.path()).await,
        ] {
            assert!(built.unwrap_err().starts_with("there is no "));
        }
    }

    #[tokio::test]
    async fn a_program_that_is_there_is_not_installed() {
        provide("sh").await.unwrap();
    }

    #[tokio::test]
    async fn a_build_that_fails_says_of_what() {
        for program in ["false", "no-such-program"] {
            let reason = succeed(Command::new(program), "x did not build").await.unwrap_err();
            assert!(reason.starts_with("x did not build"), "{reason}");
        }
    }
}

//! The systems that are run side by side, and those that are not, with the reason.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::error::Error;

/// What our own system is called.
pub(crate) const OURS: &str = "autopilot";
/// What bare Postgres is called.
pub(crate) const RAW: &str = "raw";

/// A system that can be run.
#[derive(Debug, Clone)]
pub(crate) struct System {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The works it says it can do.
    pub(crate) works: Vec<String>,
    pub(crate) program: Program,
}

/// What a system is in the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    Ours,
    Peer,
    /// Bare Postgres.
    Raw,
}

/// How a system is run.
#[derive(Debug, Clone)]
pub(crate) enum Program {
    /// By an adapter: this command line, then the work and its arguments.
    Adapter(Vec<PathBuf>),
    /// By ourselves.
    Raw,
}

/// Systems that are not there to be run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Absent {
    /// A system, or the adapter of several.
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// Everybody, in a fixed order.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    pub(crate) systems: Vec<System>,
    pub(crate) absent: Vec<Absent>,
}

/// What an adapter says about its systems.
#[derive(Debug, Deserialize)]
struct Listed {
    system: String,
    works: Vec<String>,
}

impl System {
    /// One that an adapter lists. Ours is called without a name; beside itself it may list `raw`, for
    /// bare work that is no work for pgbench.
    fn of(role: Role, command: &[PathBuf], listed: Listed) -> Self {
        let (name, role) = match role {
            Role::Ours if listed.system != RAW => (OURS.to_owned(), Role::Ours),
            Role::Ours | Role::Raw => (RAW.to_owned(), Role::Raw),
            Role::Peer => (listed.system, Role::Peer),
        };
        let mut command = command.to_vec();
        if role != Role::Ours {
            command.push(PathBuf::from(&name));
        }
        Self { name, role, works: listed.works, program: Program::Adapter(command) }
    }
}

impl Roster {
    /// Adds the systems of an adapter, or the reason why there are none.
    pub(crate) async fn add(
        &mut self,
        name: &str,
        role: Role,
        adapter: Result<Vec<PathBuf>, String>,
    ) {
        let listed = match adapter {
            Ok(command) => list(&command).await.map(|listed| (command, listed)),
            Err(reason) => Err(reason),
        };
        match listed {
            Ok((command, listed)) => {
                let system = |listed| System::of(role, &command, listed);
                self.systems.extend(listed.into_iter().map(system));
            }
            Err(reason) => self.absent.push(Absent { name: name.to_owned(), reason }),
        }
    }

    /// Adds bare Postgres.
    pub(crate) fn add_raw(&mut self, works: &[&str]) {
        let works = works.iter().map(|work| (*work).to_owned()).collect();
        let (name, role) = (RAW.to_owned(), Role::Raw);
        self.systems.push(System { name, role, works, program: Program::Raw });
    }

    /// Keeps the systems of these names, or all where there are none.
    ///
    /// Fails with [`Error::NoSuchSystem`] for a name that nobody has and that could not be missing.
    pub(crate) fn keep(&mut self, names: &[String]) -> Result<(), Error> {
        if names.is_empty() {
            return Ok(());
        }
        let known = |name: &&String| self.systems.iter().any(|system| system.name == **name);
        if let Some(name) = names.iter().find(|name| !known(name)) {
            let names: Vec<_> = self.systems.iter().map(|system| system.name.as_str()).collect();
            let absent =
                self.absent.iter().map(|absent| format!("\n{}: {}", absent.name, absent.reason));
            let (systems, absent) = (names.join(", "), absent.collect());
            return Err(Error::NoSuchSystem { name: name.clone(), systems, absent });
        }
        self.systems.retain(|system| names.contains(&system.name));
        Ok(())
    }
}

async fn list(command: &[PathBuf]) -> Result<Vec<Listed>, String> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let output = Command::new(program).args(arguments).arg("list").kill_on_drop(true).output();
    let output = output.await.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let reason = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("no reason");
        return Err(format!("its `list` failed ({}): {}", output.status, reason.trim()));
    }
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    // Over several lines, or as the last of them.
    serde_json::from_str(&text)
        .or_else(|_not_alone| serde_json::from_str(line))
        .map_err(|error| format!("its `list` is not what it should be: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    async fn roster(list: &str) -> Roster {
        let folder = Folder::new();
        let script = folder.script("adapter", list);
        let mut roster = Roster::default();
        roster.add("tests/peers", Role::Peer, Ok(vec![script])).await;
        roster
    }

    #[tokio::test]
    async fn an_adapter_brings_the_systems_it_lists() {
        let list = r#"echo '[{"system": "a", "version": "1", "works": ["drain"]}, {"system": "b", "version": "2", "works": []}]'"#;
        let mut roster = roster(list).await;
        roster.add_raw(&["drain"]);
        let names: Vec<_> = roster.systems.iter().map(|system| system.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "raw"]);
        let Program::Adapter(command) = &roster.systems[1].program else { panic!("raw") };
        assert_eq!(command.last().unwrap(), &PathBuf::from("b"));
        roster.keep(&["b".to_owned()]).unwrap();
        assert_eq!(roster.systems.len(), 1);
        let error = roster.keep(&["c".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("\"c\"") && error.contains('b'), "{error}");
    }

    #[tokio::test]
    async fn our_adapter_is_called_without_a_name_but_for_bare_work() {
        let folder = Folder::new();
        let list = r#"echo '[{"system": "autopilot", "works": ["webhook"]}, {"system": "raw", "works": ["webhook"]}]'"#;
        let script = folder.script("load", list);
        let mut roster = Roster::default();
        roster.add("autopilot", Role::Ours, Ok(vec![script.clone()])).await;
        let told: Vec<_> = roster
            .systems
            .iter()
            .map(|system| match &system.program {
                Program::Adapter(command) => (system.name.as_str(), system.role, command.clone()),
                Program::Raw => panic!("no adapter"),
            })
            .collect();
        let ours = ("autopilot", Role::Ours, vec![script.clone()]);
        assert_eq!(told, [ours, ("raw", Role::Raw, vec![script, "raw".into()])]);
    }

    #[tokio::test]
    async fn an_adapter_that_is_away_or_lists_nothing_sound_is_absent_with_the_reason() {
        assert!(roster("echo '[{}]'").await.absent[0].reason.contains("system"));
        let failed = roster("echo 'no module pg' >&2; exit 1").await;
        assert!(failed.absent[0].reason.contains("no module pg"), "{:?}", failed.absent);
        let mut roster = Roster::default();
        roster
            .add("autopilot", Role::Ours, Err("there is no engine/benches/load".to_owned()))
            .await;
        assert_eq!(roster.absent[0].name, "autopilot");
        let error = roster.keep(&["autopilot".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("there is no engine/benches/load"), "{error}");
    }
}

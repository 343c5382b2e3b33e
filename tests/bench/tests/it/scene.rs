//! What the tests share: a project without adapters, a server, and adapters that only pretend.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use autopilot_postgres::{Cluster, Options};

/// Answers as any system, at a rate of its own; writes down how it was called.
const ADAPTER: &str = r#"#!/bin/sh
folder=$(dirname "$0")
if [ "$1" = list ]; then cat "$0.list"; exit; fi
echo "$(basename "$0") $* ${DATABASE_URL##*/}" >> "$folder/calls"
system=ours; rate=90000
case "$1" in
    good|bad|poor|cannot) system=$1; rate=30000; shift;;
    hang) echo $$ > "$folder/pid"; exec sleep 300;;
esac
echo "progress of $system" >&2
case $system in
    bad) echo "not an answer"; exit;;
    poor) echo "no connection" >&2; exit 1;;
    cannot) echo "it has no such thing" >&2; exit 3;;
esac
echo "a line before"
echo "{\"system\": \"$system 1.0\", \"work\": \"$1\", \"rate\": $rate, \"p50_ms\": 1.5, \"p99_ms\": 3}"
"#;

/// A project of its own with a server of its own, both gone when dropped: the server first.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    dir: Folder,
}

struct Folder(PathBuf);

impl Scene {
    /// With a server that is durable, or is not.
    pub(crate) fn new(ephemeral: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("autopilot-bench-it-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        let state_dir = Some(dir.join("server"));
        let options = Options { state_dir, ephemeral, install: true, ..Options::default() };
        Self { cluster: Cluster::start(&options).unwrap(), dir: Folder(dir) }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.0.join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// An adapter of these systems, which do these works.
    pub(crate) fn adapter(&self, name: &str, systems: &[&str], works: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, ADAPTER).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let listed = systems.iter().map(|system| {
            format!(r#"{{"system": "{system}", "version": "1.0", "works": [{works}]}}"#)
        });
        let list = format!("[{}]\n", listed.collect::<Vec<_>>().join(", "));
        fs::write(self.path(&format!("{name}.list")), list).unwrap();
        path
    }

    /// The program, on this project and server.
    pub(crate) fn bench(&self, verb: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
        command.env("DATABASE_URL", self.cluster.admin_url()).stdin(Stdio::null());
        command.arg(verb).arg("--root").arg(&self.dir.0).arg("--state").arg(self.path("state"));
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a process is there, and no zombie.
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

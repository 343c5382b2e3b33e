//! The program under test: one process that takes the posts, and one that handles them.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Plan;
use super::posts::SECRET;
use crate::ready::Ready;

/// Both processes; what is left of them is killed when this is dropped.
pub(super) struct Program {
    http: Child,
    worker: Child,
    ready: Ready,
}

impl Program {
    pub(super) fn start(plan: &Plan, database: &str) -> Self {
        let ready = Ready::at(plan.folder.join("http.ready"));
        let start = |name: &str, arguments: &[&str]| {
            let log = File::create(plan.folder.join(format!("{name}.log"))).expect("a log");
            let mut command = Command::new(&plan.program);
            command
                .env_clear()
                .env("DATABASE_URL", database)
                .env("STRIPE_WEBHOOK_SECRET", SECRET)
                .env("ENCRYPTION_KEY", "flood:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=")
                .env("AUTOPILOT_API_TOKEN", "a-token-for-the-flood-and-nothing-else")
                .env("AUTOPILOT__HTTP__BIND", "127.0.0.1:0")
                .env("AUTOPILOT__LOG__FILTER", "error")
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::from(log));
            command.spawn().expect("the program starts; build it first")
        };
        let path = ready.path().to_string_lossy().into_owned();
        Self {
            http: start("http", &["serve", "--http", "--ready-file", &path]),
            worker: start("worker", &["serve", "--workers"]),
            ready,
        }
    }

    /// Where posts are taken, once they are.
    pub(super) async fn address(&self) -> String {
        self.ready.address().await
    }

    /// The process that takes the posts.
    pub(super) fn receiver(&self) -> u32 {
        self.http.id()
    }

    /// Lets both end in good order.
    pub(super) fn finish(mut self) {
        for child in [&mut self.http, &mut self.worker] {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                // Whoever is gone already has ended by itself.
                let _gone = kill_process(pid, Signal::TERM);
            }
            drop(child.wait());
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        for child in [&mut self.http, &mut self.worker] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

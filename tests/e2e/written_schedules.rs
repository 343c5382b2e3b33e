//! Schedules that an operator writes into his configuration file, as the real program keeps them.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use autopilot_tests::{Studio, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::storm::program;

const MINUTE: Duration = Duration::from_secs(60);

/// The program with a configuration file of its own.
struct Replicas {
    database: String,
    file: PathBuf,
}

impl Replicas {
    fn of(studio: &Studio, config: &str) -> Self {
        let file = std::env::temp_dir().join(format!("autopilot-{}.toml", studio.workspace));
        std::fs::write(&file, config).unwrap();
        Self { database: studio.world.url(), file }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(program());
        command.env_clear().env("DATABASE_URL", &self.database);
        command.env("ENCRYPTION_KEY", "test:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=");
        command.env("AUTOPILOT__LOG__FILTER", "error").kill_on_drop(true);
        command.arg("--config").arg(&self.file).args(line.split(' '));
        command
    }

    fn serve(&self) -> Child {
        let mut command = self.command("serve --workers");
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Its exit code, and what it printed.
    async fn say(&self, line: &str) -> (i32, String) {
        let done = self.command(line).output().await.unwrap();
        let text = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        (done.status.code().unwrap(), text)
    }

    async fn listed(&self) -> Value {
        let (code, said) = self.say("--json schedules list").await;
        assert_eq!(code, 0, "{said}");
        serde_json::from_str(&said).unwrap()
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.file));
    }
}

async fn stop(mut replica: Child) {
    let pid = replica.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).unwrap()));
    kill_process(pid.unwrap(), Signal::TERM).unwrap();
    assert!(replica.wait().await.unwrap().success());
}

const TICKS: &str = "engine.tick WHERE schedule = 'settle-again'";

#[tokio::test]
async fn a_schedule_in_a_file_ticks_once_with_two_replicas_and_stays_listed_when_it_is_taken_out() {
    let studio = Studio::new().await;
    let world = &studio.world;
    world.clock.freeze().await.unwrap();
    let past: f64 =
        world.value("SELECT (60 - extract(second FROM engine.now()))::float8 + 30").await;
    world.clock.advance(Duration::from_secs_f64(past)).await.unwrap();
    let written = format!(
        "[schedules.settle-again]\ncron = \"* * * * *\"\nkind = \"studio.provision.settle\"\noverlap = \"allow\"\n\
         payload = {{ workspace = \"{0}\", run = \"{0}\", degraded = false }}\n",
        studio.workspace
    );
    let fleet = Replicas::of(&studio, &written);
    let (code, checked) = fleet.say("config check").await;
    assert!(code == 0 && checked.contains("schedules.settle-again.cron"), "{checked}");
    // What ticks is to stay in the queue, where it is counted.
    fleet.say("pauses add kind:studio.provision.settle --reason counting").await;
    let replicas = [0, 1].map(|_| fleet.serve());
    let know_it = "engine.worker WHERE 'settle-again' = ANY (schedules)";
    eventually("both replicas know it", async || world.count(know_it).await == 2).await;
    eventually("it is kept", async || {
        world.count("engine.schedule WHERE name = 'settle-again'").await == 1
    })
    .await;
    for ticks in 1..=2 {
        world.clock.advance_alive(MINUTE).await.unwrap();
        eventually("it has ticked", async || world.count(TICKS).await == ticks).await;
    }
    assert_eq!(world.count("engine.job WHERE kind = 'studio.provision.settle'").await, 2);
    assert_eq!(world.count("engine.tick WHERE schedule = 'settle-again' AND job IS NULL").await, 0);
    let listed = fleet.listed().await;
    let is_it = |one: &Value| one["name"] == "settle-again" && one["known"] == true;
    assert!(listed.as_array().unwrap().iter().any(is_it), "{listed}");
    for replica in replicas {
        stop(replica).await;
    }
    // Taken out of the file, it is as one that was taken out of the code.
    let fleet = Replicas::of(&studio, "");
    let replica = fleet.serve();
    eventually("a replica without it", async || world.count("engine.worker").await == 1).await;
    let (_, said) = fleet.say("schedules list").await;
    assert!(said.contains("no living worker looks after it"), "{said}");
    let (_, said) = fleet.say("schedules remove settle-again").await;
    assert_eq!(said.trim(), "settle-again is forgotten");
    let listed = fleet.listed().await;
    assert!(listed.as_array().unwrap().iter().all(|one| one["name"] != "settle-again"), "{listed}");
    stop(replica).await;
    studio.close().await;
}

#[tokio::test]
async fn a_schedule_that_cannot_work_keeps_the_program_from_starting() {
    let studio = Studio::new().await;
    let fleet = Replicas::of(&studio, "[schedules.s]\ncron = \"@daily\"\nkind = \"gardening\"\n");
    for line in ["serve --workers", "config check"] {
        let (code, said) = fleet.say(line).await;
        assert_eq!(code, 2, "{line}: {said}");
        assert!(said.contains("schedules.s.kind") && said.contains("stripe.event"), "{said}");
    }
    assert_eq!(studio.world.count("engine.worker").await, 0);
    studio.finish().await;
}

//! T12: the server's disk is full, once for its data and once for its WAL, and then has room again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Command;
use std::time::{Duration, Instant};

use autopilot_engine::Strain;
use serde_json::json;

use super::scene::{Scene, Stage};
use super::{Order, Outcome};
use crate::server::Server;
use crate::storm::Pace;

/// From room again to the next acknowledgement, in milliseconds.
const RECOVERY: f64 = 30_000.0;

/// How long the disk may take to be noticed as full, and then stays so.
const NOTICE: Duration = Duration::from_secs(40);
const FULL: Duration = Duration::from_secs(5);

pub(super) fn full(order: Order) -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(async move {
        let mut outcome = Outcome::default();
        let mut times = Vec::new();
        for (name, part, size) in [("data", "base", "96m"), ("WAL", "pg_wal", "112m")] {
            let order =
                Order::new(order.seed, order.size, order.folder.join(part), order.program.clone());
            match fill(&order, part, size, &mut outcome).await {
                Ok(time) => times.push(time),
                Err(why) => return Outcome::not_run(why),
            }
            outcome.faults.push((if name == "data" { "full for data" } else { "full for WAL" }, 1));
        }
        outcome.recovered(times, RECOVERY);
        outcome
    })
}

/// A part of the server's data on a small disk of its own. It is taken away again when this is dropped.
struct Small(PathBuf);

impl Small {
    /// Moves a part of a server's data, which does not run, onto it.
    fn of(folder: &Path, part: &str, size: &str) -> Result<Self, String> {
        let disk = folder.join("small");
        fs::create_dir_all(&disk).map_err(|error| error.to_string())?;
        let options = format!("size={size},mode=755");
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &disk.to_string_lossy()])?;
        let small = Self(disk);
        let data = folder.join("server/pg");
        let (old, aside) = (data.join(part), data.join(format!("{part}.old")));
        let new = small.0.join(part);
        run("cp", &["-a", &old.to_string_lossy(), &new.to_string_lossy()])?;
        fs::rename(&old, &aside).map_err(|error| error.to_string())?;
        std::os::unix::fs::symlink(&new, &old).map_err(|error| error.to_string())?;
        Ok(small)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Writes until there is no room.
    fn fill(&self) {
        let mut file = File::create(self.ballast()).expect("the ballast can be made");
        for block in [1 << 20, 1 << 12] {
            let zeros = vec![0; block];
            while file.write_all(&zeros).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.ballast()).expect("the ballast can be removed");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        drop(run("umount", &["-l", &self.0.to_string_lossy()]));
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", said())) }
}

/// Fills the disk of one part while work goes on. How long it took to go on when there was room again, in milliseconds, or why it
/// cannot be tried here.
async fn fill(order: &Order, part: &str, size: &str, outcome: &mut Outcome) -> Result<f64, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can make a small disk".to_owned());
    }
    let settings = [("min_wal_size", "32MB"), ("max_wal_size", "48MB"), ("shared_buffers", "16MB")];
    let mut server = Server::start(&order.folder, &settings).await;
    server.crash(false);
    let small = Small::of(&order.folder, part, size)?;
    server.restart();
    let url = server.url.clone();
    let mut stage = Stage::new(&url, order.many(30, 6), Duration::from_secs(12));
    stage.pace = Pace::Production;
    let scene = Scene::set(order, stage, async |_| Vec::new()).await;
    scene.busy().await;
    small.fill();
    order.history.note("full", json!({ "part": part }));
    let (began, refused) =
        (Instant::now(), || scene.letters.look(|said| said.refused + said.unanswered));
    let before = refused();
    while refused() < before + 3 && began.elapsed() < NOTICE {
        if part == "pg_wal" {
            let write = "SELECT pg_logical_emit_message(false, 'chaos', repeat('x', 4000000))";
            // It fails when there is no room.
            drop(sqlx::query(write).execute(&scene.pool).await);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let noticed = refused() >= before + 3;
    outcome.hold(noticed, || format!("a full disk for {part} was not noticed"));
    tokio::time::sleep(FULL).await; // How long the fault lasts.
    let words = scene.letters.look(|said| said.words.clone());
    let acknowledged = || scene.letters.look(|said| said.acknowledged.len());
    small.free();
    let (freed, before) = (Instant::now(), acknowledged());
    let ended = server.has_ended();
    order.history.note("room", json!({ "part": part, "words": words, "server had ended": ended }));
    if ended {
        server.restart();
    }
    while acknowledged() == before {
        if server.has_ended() {
            server.restart();
        }
        assert!(freed.elapsed() < Duration::from_secs(90), "nothing is acknowledged any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = freed.elapsed().as_secs_f64() * 1000.0;
    outcome.hold(!words.is_empty(), || format!("with {part} full nothing was refused in words"));
    outcome.notes.push(format!(
        "{part}: {}",
        if ended { "the server ended and was started again" } else { "the server lived" }
    ));
    // Without room for its WAL the server ends, and the processes see it gone.
    let strain = if ended { Strain::Away } else { Strain::FullDisk };
    let tell = scene.fleet.logs_saying(strain.name());
    outcome.hold(tell > 0, || format!("{part} full: no process said {strain}"));
    outcome.notes.push(format!("{tell} processes said {strain}"));
    scene.judge(outcome).await.close().await;
    drop(server);
    drop(small);
    Ok(took)
}

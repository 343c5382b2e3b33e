//! The processes of the storm: one that receives webhooks, and workers that are killed and paused.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;

use super::{LEASE, Plan, Random};
use autopilot_engine::testing::eventually;

/// All processes of a storm. Whatever is left of them is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Fleet {
    program: PathBuf,
    folder: PathBuf,
    env: Vec<(String, String)>,
    http: Child,
    workers: Vec<Worker>,
    started: usize,
    pub(super) kills: usize,
    pub(super) pauses: usize,
}

#[derive(Debug)]
struct Worker {
    child: Child,
    paused: Option<Pause>,
}

/// A pause ends a moment after the others have declared the process dead: whoever took over is in the middle of it when
/// this one wakes up.
#[derive(Debug)]
struct Pause {
    moment: Duration,
    ends: Option<Instant>,
}

impl Fleet {
    pub(super) fn start(
        plan: &Plan,
        database: &[(&str, &str)],
        sandbox: &[(String, String)],
        webhook_secret: &str,
    ) -> Self {
        let env = environment(database, sandbox, webhook_secret);
        let ready = plan.folder.join("http.ready");
        drop(std::fs::remove_file(&ready));
        let mut command = command(&plan.program, &env, &plan.folder.join("http.log"));
        let http = command
            .args(["serve", "--http", "--ready-file"])
            .arg(&ready)
            .spawn()
            .expect("the program starts; build it first");
        let mut fleet = Self {
            program: plan.program.clone(),
            folder: plan.folder.clone(),
            env,
            http,
            workers: Vec::new(),
            started: 0,
            kills: 0,
            pauses: 0,
        };
        for _ in 0..plan.workers {
            let worker = fleet.worker();
            fleet.workers.push(worker);
        }
        fleet
    }

    /// Where webhooks are received, once they are.
    pub(super) async fn http_address(&self) -> String {
        let ready = self.folder.join("http.ready");
        let read = || std::fs::read_to_string(&ready).unwrap_or_default();
        eventually("the HTTP process listens", async || read().contains(':')).await;
        read().trim().trim_start_matches("http://").to_owned()
    }

    /// What another command of the program writes to standard output.
    pub(super) fn ask(&self, arguments: &[&str]) -> String {
        let mut command = command(&self.program, &self.env, &self.folder.join("asked.log"));
        let answer = command.args(arguments).stdout(Stdio::piped()).output();
        String::from_utf8_lossy(&answer.expect("the program starts").stdout).into_owned()
    }

    fn worker(&mut self) -> Worker {
        self.started += 1;
        let log = self.folder.join(format!("worker-{}.log", self.started));
        let child = command(&self.program, &self.env, &log)
            .args(["serve", "--workers"])
            .spawn()
            .expect("a worker starts");
        Worker { child, paused: None }
    }

    /// One kill or one pause, and the resumption of whoever has been paused past the lease.
    pub(super) async fn strike(&mut self, random: &mut Random, pool: &PgPool) {
        let next = Instant::now() + Duration::from_millis(300 + random.below(600));
        while Instant::now() < next {
            self.resume(&alive(pool).await);
            tokio::time::sleep(Duration::from_millis(20)).await; // The storm's own rhythm: nothing is concluded from it.
        }
        let awake: Vec<usize> = (0..self.workers.len())
            .filter(|index| self.workers.get(*index).is_some_and(|worker| worker.paused.is_none()))
            .collect();
        let chosen = usize::try_from(random.below(awake.len() as u64)).unwrap_or(0);
        let Some(index) = awake.get(chosen).copied() else { return };
        let (pause, moment) = (random.below(100) < 50, Duration::from_millis(random.below(300)));
        let working = self.workers.get(index).map(|worker| worker.child.id());
        let working = alive(pool).await.into_iter().any(|pid| Some(pid) == working);
        // At least half of the fleet stays awake, so that the storm ends.
        if pause && working && awake.len() > self.workers.len() / 2 {
            self.pause(index, moment);
        } else {
            self.kill(index);
        }
    }

    fn pause(&mut self, index: usize, moment: Duration) {
        if let Some(worker) = self.workers.get_mut(index) {
            signal(&worker.child, Signal::STOP);
            worker.paused = Some(Pause { moment, ends: None });
            self.pauses += 1;
        }
    }

    fn resume(&mut self, alive: &[u32]) {
        let now = Instant::now();
        for worker in &mut self.workers {
            let Some(pause) = &mut worker.paused else { continue };
            if pause.ends.is_none() && !alive.contains(&worker.child.id()) {
                pause.ends = Some(now + pause.moment);
            }
            if pause.ends.is_some_and(|end| now >= end) {
                signal(&worker.child, Signal::CONT);
                worker.paused = None;
            }
        }
    }

    fn kill(&mut self, index: usize) {
        let fresh = self.worker();
        if let Some(worker) = self.workers.get_mut(index) {
            signal(&worker.child, Signal::KILL);
            drop(worker.child.wait());
            *worker = fresh;
            self.kills += 1;
        }
    }

    /// Lets everybody end in good order; how many late writes their logs say were refused.
    pub(super) async fn finish(mut self) -> usize {
        for worker in &mut self.workers {
            signal(&worker.child, Signal::CONT);
            signal(&worker.child, Signal::TERM);
        }
        signal(&self.http, Signal::TERM);
        for worker in &mut self.workers {
            drop(worker.child.wait());
        }
        drop(self.http.wait());
        (1..=self.started).map(|number| self.refused_by(number)).sum()
    }

    fn refused_by(&self, number: usize) -> usize {
        let log = self.folder.join(format!("worker-{number}.log"));
        std::fs::read_to_string(log).unwrap_or_default().matches("late write refused").count()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            drop(worker.child.kill());
            drop(worker.child.wait());
        }
        drop(self.http.kill());
        drop(self.http.wait());
    }
}

/// The processes that have a lease.
async fn alive(pool: &PgPool) -> Vec<u32> {
    let pids: Vec<i32> = sqlx::query_scalar("SELECT pid FROM engine.worker")
        .fetch_all(pool)
        .await
        .expect("the database answers");
    pids.into_iter().map(i32::unsigned_abs).collect()
}

fn command(program: &Path, env: &[(String, String)], log: &Path) -> Command {
    let log = File::create(log).expect("the log can be made");
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log));
    command
}

fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, signal)
    {
        eprintln!("process {pid:?} got no {signal:?}: {error}");
    }
}

/// Short leases, so that a storm is short; the relations between the times are those of production.
fn environment(
    database: &[(&str, &str)],
    sandbox: &[(String, String)],
    webhook_secret: &str,
) -> Vec<(String, String)> {
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    let mut env = sandbox.to_vec();
    let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
    for (name, value) in database {
        set(name, value);
    }
    set("STRIPE_WEBHOOK_SECRET", webhook_secret);
    set("ENCRYPTION_KEY", "storm:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=");
    set("PUBLIC_BASE_URL", "https://storm.example");
    set("AUTOPILOT_API_TOKEN", "a-token-for-the-storm-and-nothing-else");
    set("AUTOPILOT__HTTP__BIND", "127.0.0.1:0");
    set("AUTOPILOT__LOG__FORMAT", "json");
    set("AUTOPILOT__LOG__FILTER", "warn");
    set("AUTOPILOT__WORKER__LEASE", &millis(LEASE));
    set("AUTOPILOT__WORKER__HEARTBEAT_INTERVAL", "750ms");
    set("AUTOPILOT__WORKER__POLL_MAX", "500ms");
    for provider in ["STRIPE", "TWILIO", "WHATSAPP", "OPENAI"] {
        set(&format!("AUTOPILOT__{provider}__CONNECT_TIMEOUT"), "1s");
        set(&format!("AUTOPILOT__{provider}__TIMEOUT"), "1500ms");
    }
    set("AUTOPILOT__SMTP__TIMEOUT", "1500ms");
    env
}

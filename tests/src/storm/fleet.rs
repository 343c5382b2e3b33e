//! The processes of the storm: one that receives webhooks, and workers that are killed and paused.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;

use super::environment::environment;
use super::{Pace, Random, audit};
use crate::ready::Ready;

/// Settings of a process by their names.
pub(crate) type Settings = Vec<(String, String)>;

/// Who is to work.
#[derive(Debug, Clone)]
pub(crate) struct Crew {
    /// The program under test.
    pub(crate) program: PathBuf,
    /// Where the logs go.
    pub(crate) folder: PathBuf,
    /// How many workers there are.
    pub(crate) workers: usize,
    /// How often they say that they live.
    pub(crate) pace: Pace,
    /// Settings of all processes, over the fleet's own.
    pub(crate) all: Settings,
    /// Settings of the workers alone, over those of all: the first worker's, the second's and so on.
    pub(crate) each: Vec<Settings>,
}

/// All processes of a storm. Whatever is left of them is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Fleet {
    crew: Crew,
    env: Settings,
    http: Child,
    ready: Ready,
    workers: Vec<Worker>,
    started: usize,
    pub(crate) kills: usize,
    pub(crate) pauses: usize,
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
    pub(crate) fn start(
        crew: Crew,
        database: &[(&str, &str)],
        sandbox: &[(String, String)],
    ) -> Self {
        let mut env = environment(crew.pace, database, sandbox);
        env.extend(crew.all.iter().cloned());
        let ready = Ready::at(crew.folder.join("http.ready"));
        let mut command = command(&crew.program, &env, &crew.folder.join("http.log"));
        let http = command
            .args(["serve", "--http", "--ready-file"])
            .arg(ready.path())
            .spawn()
            .expect("the program starts; build it first");
        let mut fleet =
            Self { crew, env, http, ready, workers: Vec::new(), started: 0, kills: 0, pauses: 0 };
        for index in 0..fleet.crew.workers {
            let worker = fleet.worker(index);
            fleet.workers.push(worker);
        }
        fleet
    }

    /// Where webhooks are received, once they are.
    pub(crate) async fn http_address(&self) -> String {
        self.ready.address().await
    }

    /// What all processes are told.
    pub(crate) fn settings(&self) -> &[(String, String)] {
        &self.env
    }

    /// What a worker is told by itself, from its next start on.
    pub(crate) fn tell(&mut self, index: usize, settings: Settings) {
        if let Some(told) = self.crew.each.get_mut(index) {
            *told = settings;
        }
    }

    /// What another command of the program writes to standard output.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        self.ask_with(&[], arguments)
    }

    /// The same, with these settings over those of all.
    pub(crate) fn ask_with(&self, settings: &[(String, String)], arguments: &[&str]) -> String {
        let mut command =
            command(&self.crew.program, &self.env, &self.crew.folder.join("asked.log"));
        let told = settings.iter().map(|(name, value)| (name, value));
        let answer = command.envs(told).args(arguments).stdout(Stdio::piped()).output();
        String::from_utf8_lossy(&answer.expect("the program starts").stdout).into_owned()
    }

    fn worker(&mut self, index: usize) -> Worker {
        self.started += 1;
        let log = self.log(self.started);
        let mut command = command(&self.crew.program, &self.env, &log);
        command.envs(self.crew.each.get(index).into_iter().flatten().cloned());
        let child = command.args(["serve", "--workers"]).spawn().expect("a worker starts");
        Worker { child, paused: None }
    }

    fn log(&self, number: usize) -> PathBuf {
        self.crew.folder.join(format!("worker-{number}.log"))
    }

    /// The ids of the workers' processes, in their order.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.workers.iter().map(|worker| worker.child.id()).collect()
    }

    /// Lines of all logs so far, of the HTTP process too.
    pub(crate) fn log_lines(&self) -> usize {
        self.logs().map(|log| log.lines().count()).sum()
    }

    /// How many logs say something.
    pub(crate) fn logs_saying(&self, what: &str) -> usize {
        self.logs().filter(|log| log.contains(what)).count()
    }

    fn logs(&self) -> impl Iterator<Item = String> {
        let logs = (1..=self.started).map(|number| self.log(number));
        let logs = logs.chain([self.crew.folder.join("http.log")]);
        logs.map(|log| std::fs::read_to_string(log).unwrap_or_default())
    }

    /// One kill or one pause, and the resumption of whoever has been paused past the lease.
    pub(crate) async fn strike(&mut self, random: &mut Random, pool: &PgPool) {
        let next = Instant::now() + self.crew.pace.next_strike(random);
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
        if self.crew.pace == Pace::Short && pause && working && awake.len() > self.workers.len() / 2
        {
            self.pause(index, moment);
        } else {
            self.kill(index, pool).await;
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

    /// Kills a worker and starts another in its place.
    pub(crate) async fn kill(&mut self, index: usize, pool: &PgPool) {
        let fresh = self.worker(index);
        if let Some(worker) = self.workers.get_mut(index) {
            audit::strike(pool, worker.child.id(), "kill").await;
            signal(&worker.child, Signal::KILL);
            drop(worker.child.wait());
            *worker = fresh;
            self.kills += 1;
        }
    }

    /// Tells a worker to end and starts another in its place; the one that is told.
    pub(crate) async fn retire(&mut self, index: usize, pool: &PgPool) -> Option<Child> {
        let fresh = self.worker(index);
        let worker = self.workers.get_mut(index)?;
        audit::strike(pool, worker.child.id(), "term").await;
        signal(&worker.child, Signal::TERM);
        Some(std::mem::replace(worker, fresh).child)
    }

    /// Starts another worker in the place of each that has ended by itself; how many had.
    pub(crate) fn replace_dead(&mut self) -> usize {
        let ended = |worker: &mut Worker| worker.child.try_wait().is_ok_and(|end| end.is_some());
        let dead: Vec<usize> = self
            .workers
            .iter_mut()
            .enumerate()
            .filter_map(|(index, worker)| ended(worker).then_some(index))
            .collect();
        for index in &dead {
            let fresh = self.worker(*index);
            if let Some(worker) = self.workers.get_mut(*index) {
                *worker = fresh;
            }
        }
        dead.len()
    }

    /// Lets those go on that are paused.
    pub(crate) fn resume_all(&mut self) {
        for worker in &mut self.workers {
            if worker.paused.take().is_some() {
                signal(&worker.child, Signal::CONT);
            }
        }
    }

    /// Lets everybody end in good order; how many late writes their logs say were refused.
    pub(crate) async fn finish(mut self) -> usize {
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
        std::fs::read_to_string(self.log(number))
            .unwrap_or_default()
            .matches("late write refused")
            .count()
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

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, signal)
    {
        eprintln!("process {pid:?} got no {signal:?}: {error}");
    }
}

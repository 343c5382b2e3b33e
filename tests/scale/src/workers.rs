//! Worker processes, as the process sees them that started them.

use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use crate::server::Database;
use crate::{Failure, proc};

/// How long jobs may take without one of them ending.
const STUCK: Duration = Duration::from_secs(60);

/// How many processes there are and what each serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Processes.
    pub(crate) processes: usize,
    /// Queues that each serves; 0 is the default queue.
    pub(crate) queues: usize,
    /// Jobs at a time in each queue of each process.
    pub(crate) slots: usize,
}

/// Worker processes. Dropping them kills them.
pub(crate) struct Workers(Vec<Member>);

struct Member {
    child: Child,
    id: u32,
    input: ChildStdin,
    said: Arc<Said>,
    reading: JoinHandle<std::io::Result<()>>,
}

#[derive(Debug, Default)]
struct Said {
    done: AtomicUsize,
    picked: Mutex<Vec<i64>>,
}

impl Workers {
    /// Starts them; they have reached the database when this returns, and wait for [`Workers::go`].
    pub(crate) async fn start(database: &Database, shape: Shape) -> Result<Self, Failure> {
        let mut members = Vec::with_capacity(shape.processes);
        for _ in 0..shape.processes {
            members.push(Member::start(database, shape).await?);
        }
        Ok(Self(members))
    }

    /// Lets them begin.
    pub(crate) async fn go(&mut self) -> Result<(), Failure> {
        self.tell("go\n").await
    }

    /// What runs wait for has come, for those that look.
    pub(crate) async fn come(&mut self) -> Result<(), Failure> {
        self.tell("come\n").await
    }

    /// Waits until so many jobs have been done since the beginning.
    pub(crate) async fn until_done(&self, jobs: usize) -> Result<(), Failure> {
        let mut seen = (0, tokio::time::Instant::now());
        loop {
            let done = self.0.iter().map(|member| member.said.done.load(Ordering::Relaxed)).sum();
            if done >= jobs {
                return Ok(());
            }
            if done != seen.0 {
                seen = (done, tokio::time::Instant::now());
            }
            if seen.1.elapsed() > STUCK {
                return Err(format!("{done} of {jobs} jobs are done and no more end").into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The CPU time of all.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        self.0.iter().map(|member| proc::cpu(member.id)).sum()
    }

    /// What is resident of all, in bytes.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        self.0.iter().map(|member| Ok(proc::memory(member.id)?.resident)).sum()
    }

    /// Lets them drain: how long each stamped job took to its handler, in nanoseconds.
    pub(crate) async fn stop(mut self) -> Result<Vec<i64>, Failure> {
        self.tell("stop\n").await?;
        let mut picked = Vec::new();
        for mut member in self.0 {
            member.reading.await??;
            let status = member.child.wait().await?;
            if !status.success() {
                return Err(format!("a worker process ended with {status}").into());
            }
            picked.append(&mut member.said.picked.lock().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(picked)
    }

    async fn tell(&mut self, line: &str) -> Result<(), Failure> {
        for member in &mut self.0 {
            member.input.write_all(line.as_bytes()).await?;
        }
        Ok(())
    }
}

impl Member {
    async fn start(database: &Database, shape: Shape) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["worker", "--queues", &shape.queues.to_string()])
            .args(["--slots", &shape.slots.to_string()])
            .env("DATABASE_URL", database.url.as_str())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().ok_or("a worker process has no input")?;
        let output = child.stdout.take().ok_or("a worker process has no output")?;
        let id = child.id().ok_or("a worker process has ended at once")?;
        let mut output = BufReader::new(output).lines();
        if output.next_line().await?.as_deref() != Some("ready") {
            return Err("a worker process did not reach the database".into());
        }
        let said = Arc::new(Said::default());
        let reading = tokio::spawn(read(output, Arc::clone(&said)));
        Ok(Self { child, id, input, said, reading })
    }
}

async fn read(mut output: Lines<BufReader<ChildStdout>>, said: Arc<Said>) -> std::io::Result<()> {
    while let Some(line) = output.next_line().await? {
        match line.split_once(' ') {
            Some(("done", count)) => {
                said.done.store(count.parse().unwrap_or_default(), Ordering::Relaxed);
            }
            Some(("picked", took)) => {
                let took = took.parse().unwrap_or_default();
                said.picked.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

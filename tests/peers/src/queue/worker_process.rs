//! The worker as a process of its own: this program, executed again.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::handler::{self, Sample};
use crate::queue::{Goal, Queue};

/// The hidden work that makes this program a worker.
pub const WORKER: &str = "worker";

const CONNECTIONS: u32 = 16;
const READY: &str = "ready";
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// The worker's process as the parent sees it. Dropping it kills the process.
pub struct WorkerProcess {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl WorkerProcess {
    /// Starts the worker of a system on this database and waits until it says that it works.
    pub async fn start(system: &str, url: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([system, WORKER])
            .env("DATABASE_URL", url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the worker's process")?;
        let stdin = child.stdin.take().context("the worker has no stdin")?;
        let stdout = child.stdout.take().context("the worker has no stdout")?;
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).await?;
        ensure!(line.trim_end() == READY, "the worker did not start; its reason is on stderr");
        Ok(Self { child, stdin, stdout })
    }

    /// Stops the worker and returns its samples.
    pub async fn stop(mut self) -> Result<Vec<Sample>> {
        drop(self.stdin); // the worker's signal to stop
        let mut samples = String::new();
        self.stdout.read_to_string(&mut samples).await?;
        let status = self.child.wait().await?;
        ensure!(status.success(), "the worker's process ended with {status}");
        serde_json::from_str(&samples).context("the worker's samples are unreadable")
    }
}

/// The child's side: works until stdin closes, then prints its samples.
pub async fn serve<Q: Queue>(url: &str) -> Result<()> {
    let queue = Q::connect(url, CONNECTIONS, Goal::Latency).await?;
    handler::record();
    let worker = queue.start_worker().await?;
    let mut stdout = tokio::io::stdout();
    stdout.write_all(format!("{READY}\n").as_bytes()).await?;
    stdout.flush().await?;
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    tokio::time::timeout(STOP_PATIENCE, Q::stop_worker(worker))
        .await
        .context("the worker does not stop")??;
    stdout.write_all(&serde_json::to_vec(&handler::take_samples())?).await?;
    Ok(stdout.flush().await?)
}

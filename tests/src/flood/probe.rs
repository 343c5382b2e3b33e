//! What the process says of itself meanwhile: whether it answers, and how much memory it has.

use std::time::{Duration, Instant};

use reqwest::Client;
use tokio_util::sync::CancellationToken;

/// How often it is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// What was seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Probed {
    pub(super) livez: Duration,
    /// In KiB: at first, and at most.
    pub(super) memory: (u64, u64),
}

/// A probe that runs until it is stopped.
pub(super) struct Probe {
    task: tokio::task::JoinHandle<Probed>,
    stop: CancellationToken,
}

pub(super) fn start(address: &str, process: u32) -> Probe {
    let (url, stop) = (format!("http://{address}/livez"), CancellationToken::new());
    let stopped = stop.clone();
    let task = tokio::spawn(async move {
        // A connection of its own, made anew each time, as whoever restarts processes would.
        let client = Client::builder().pool_max_idle_per_host(0).build().expect("a client");
        let first = memory(process);
        let mut probed = Probed { livez: Duration::ZERO, memory: (first, first) };
        while !stopped.is_cancelled() {
            let began = Instant::now();
            let answered =
                client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
            let took = if answered { began.elapsed() } else { Duration::MAX };
            probed.livez = probed.livez.max(took);
            probed.memory.1 = probed.memory.1.max(memory(process));
            tokio::select! { () = stopped.cancelled() => {}, () = tokio::time::sleep(PAUSE) => {} }
        }
        probed
    });
    Probe { task, stop }
}

impl Probe {
    pub(super) async fn stop(self) -> Probed {
        self.stop.cancel();
        self.task.await.expect("the probe ends")
    }
}

/// What the process holds, in KiB.
fn memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

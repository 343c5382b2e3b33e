//! Runs a script by pgbench, and reads what it says.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use url::Url;

use crate::process::{self, Ended};

/// Longer than any time limit of a row: who calls us has one.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
const LOG_PREFIX: &str = "transactions";

/// Runs scripts on one database.
pub(super) struct Pgbench<'a> {
    pub(super) url: &'a Url,
    pub(super) bin_dir: Option<&'a Path>,
    pub(super) folder: &'a Path,
}

/// How much a client does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Amount {
    Seconds(u64),
    /// So many transactions, each client.
    Each(u64),
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub(super) struct Benched {
    pub(super) transactions: u64,
    /// Transactions a second, of all clients, without the time to connect.
    pub(super) rate: f64,
    /// Of each transaction, in the order of their ends where there is one client.
    pub(super) latencies_ms: Vec<f64>,
}

impl Benched {
    pub(super) fn seconds(&self) -> f64 {
        self.transactions as f64 / self.rate
    }
}

/// Variables of a script.
pub(super) fn with(variables: &[(&str, u64)]) -> Vec<String> {
    variables.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

impl Pgbench<'_> {
    /// Runs a script with prepared statements. A transaction that fails makes the whole run fail.
    pub(super) async fn run(
        &self,
        script: &str,
        clients: u64,
        amount: Amount,
        variables: &[String],
    ) -> Result<Benched, String> {
        let folder = self.folder;
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let finished = self.finish(script, clients, amount, variables).await;
        let logs = take_logs(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let finished = finished.map_err(|error| {
            format!(
                "pgbench: {error} (it comes with Postgres, on some systems as postgresql-contrib)"
            )
        })?;
        if finished.ended != Ended::Exited(0) {
            let last = finished.stderr.lines().rfind(|line| !line.trim().is_empty());
            return Err(format!("pgbench failed: {}", last.unwrap_or("no reason given")));
        }
        let (transactions, rate) = summary(&finished.stdout)
            .ok_or_else(|| format!("pgbench told no rate: {}", finished.stdout))?;
        Ok(Benched { transactions, rate, latencies_ms: latencies_ms(&logs) })
    }

    async fn finish(
        &self,
        script: &str,
        clients: u64,
        amount: Amount,
        variables: &[String],
    ) -> io::Result<process::Finished> {
        let file = self.folder.join("script.sql");
        fs::write(&file, script)?;
        let beside = self.bin_dir.map(|dir| dir.join("pgbench")).filter(|path| path.is_file());
        let mut command = Command::new(beside.unwrap_or_else(|| PathBuf::from("pgbench")));
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        command.args(["-n", "-M", "prepared", "-c", &clients.to_string()]);
        command.args(["-j", &threads.min(clients).to_string(), "-f"]).arg(&file);
        match amount {
            Amount::Seconds(seconds) => command.args(["-T", &seconds.to_string()]),
            Amount::Each(count) => command.args(["-t", &count.to_string()]),
        };
        for variable in variables {
            command.args(["-D", variable]);
        }
        command.arg("-l").arg(format!("--log-prefix={}", self.folder.join(LOG_PREFIX).display()));
        // The password is not for the list of processes.
        let mut url = self.url.clone();
        if let Some(password) = url.password().map(str::to_owned) {
            command.env("PGPASSWORD", password);
            url.set_password(None).ok();
        }
        command.arg(url.as_str());
        process::run(command, LIMIT, &self.folder.join("pgbench.log")).await
    }
}

/// The number of transactions, and of those a second.
fn summary(text: &str) -> Option<(u64, f64)> {
    let after = |start: &str| text.lines().rev().find_map(|line| line.strip_prefix(start));
    let digits = |text: &str| text.split(['/', ' ']).next().map(str::to_owned);
    let transactions =
        digits(after("number of transactions actually processed: ")?)?.parse().ok()?;
    // An older pgbench tells two: the last one is without the time to connect.
    let rate: f64 = digits(after("tps = ")?)?.parse().ok()?;
    (rate > 0.0).then_some((transactions, rate))
}

/// Reads and removes the logs, one of each thread.
fn take_logs(folder: &Path) -> io::Result<String> {
    let mut text = String::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(LOG_PREFIX) {
            text.push_str(&fs::read_to_string(&path)?);
            fs::remove_file(&path)?;
        }
    }
    Ok(text)
}

/// The third column, which is in microseconds.
fn latencies_ms(logs: &str) -> Vec<f64> {
    let column = |line: &str| line.split(' ').nth(2).and_then(|text| text.parse::<f64>().ok());
    logs.lines().filter_map(column).map(|microseconds| microseconds / 1_000.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_the_one_without_the_time_to_connect() {
        let new = "number of transactions actually processed: 1234\nnumber of failed transactions: 0 (0.000%)\n\
                   latency average = 1.5 ms\ninitial connection time = 9.1 ms\n\
                   tps = 671.5 (without initial connection time)\n";
        assert_eq!(summary(new), Some((1234, 671.5)));
        let old = "number of transactions actually processed: 26/26\n\
                   tps = 60.0 (including connections establishing)\n\
                   tps = 65.0 (excluding connections establishing)\n";
        assert_eq!(summary(old), Some((26, 65.0)));
        assert_eq!(summary("number of transactions actually processed: 0\ntps = 0.0 (x)\n"), None);
        assert_eq!(summary("pgbench: error"), None);
    }

    #[test]
    fn latencies_are_read_from_the_log_of_transactions() {
        let log = "0 199 2241 0 1175850568 995598\n1 200 500 0 1175850568 998079\n";
        assert_eq!(latencies_ms(log), [2.241, 0.5]);
    }
}

//! What a worker that has nothing to do asks of the database, and writes into it.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, ensure};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::answer::{Figures, rounded};
use crate::args::Args;
use crate::database::Monitor;
use crate::queue::Queue;
use crate::queue::pickup::Bench;
use crate::wire::Wire;

/// Until then every session has told its statistics, which it does ten seconds after its last
/// statement at the latest, and a worker that has just worked has put its things in order.
const SETTLED: Duration = Duration::from_secs(12);
/// How late a session that goes on speaking tells its statistics.
const TOLD: Duration = Duration::from_secs(3);

/// Counts the statements of a worker that has worked and now waits.
pub async fn measure<Q: Queue>(url: &str, args: &Args) -> Result<Figures> {
    let seconds: u64 = args.get("seconds", 30)?;
    ensure!(seconds > 0, "`--seconds` must be positive");
    let options = PgConnectOptions::from_str(url)?.ssl_mode(PgSslMode::Disable);
    let wire = Wire::start(format!("{}:{}", options.get_host(), options.get_port())).await?;
    let way = options.host("127.0.0.1").port(wire.port()).to_url_lossy().to_string();
    let bench = Bench::<Q>::start_through(url, &way).await?;
    let mut monitor = Monitor::connect(url).await?;
    tokio::time::sleep(SETTLED).await;
    let (said, before) = (wire.statements(), monitor.written().await?);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let said = wire.statements() - said;
    tokio::time::sleep(TOLD).await;
    let after = monitor.written().await?;
    bench.finish().await?;
    let written = after.iter().map(|(table, rows)| rows - before.get(table).unwrap_or(&0));
    let written: Vec<i64> = written.collect();
    let most = written.iter().max().copied().unwrap_or_default();
    Ok(Figures {
        statements_per_second: Some(rounded(said as f64 / seconds as f64)),
        other_writes: Some(written.iter().sum::<i64>() - most),
        ..Figures::default()
    })
}

//! The least that a job takes from one process to another: INSERT and NOTIFY here, LISTEN and claim
//! there.

use std::env;
use std::io::{self, Write};
use std::process::Stdio;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sqlx::postgres::PgListener;
use sqlx::{Connection, PgConnection, query, query_scalar};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use url::Url;

use super::{Made, text};
use crate::statistics::percentile;

/// Jobs that are not counted.
const WARM_UP: u64 = 20;
const CHANNEL: &str = "pickup";
/// What the worker says when it listens.
const READY: &str = "ready";

const ENQUEUE: &str = "WITH enqueued AS (INSERT INTO job (payload) VALUES ($1) RETURNING id) \
                       SELECT pg_notify('pickup', '') FROM enqueued";
const CLAIM: &str = "UPDATE job SET state = 1 WHERE id = (\
                     SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) \
                     RETURNING (payload->>'n')::bigint";

/// Enqueues jobs one at a time for a worker in a process of its own, and answers the percentiles of the
/// time from before the enqueue to after the claim.
pub(super) async fn measure(url: &Url, jobs: u64) -> Result<Made, String> {
    let mut worker = Command::new(env::current_exe().map_err(text)?);
    worker.args(["raw-pickup-worker", &(jobs + WARM_UP).to_string()]);
    worker.env("DATABASE_URL", url.as_str()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut worker = worker.kill_on_drop(true).spawn().map_err(text)?;
    let mut lines = BufReader::new(worker.stdout.take().ok_or("it has no output")?).lines();
    if lines.next_line().await.map_err(text)?.as_deref() != Some(READY) {
        return Err("the worker did not start".to_owned());
    }
    let mut database = PgConnection::connect(url.as_str()).await.map_err(text)?;
    for number in 0..jobs + WARM_UP {
        tokio::time::sleep(gap(number)).await;
        let payload = serde_json::json!({ "n": nanoseconds() });
        query(ENQUEUE).bind(payload).execute(&mut database).await.map_err(text)?;
    }
    let line = lines.next_line().await.map_err(text)?.ok_or("the worker told no latencies")?;
    worker.wait().await.map_err(text)?;
    let latencies: Vec<f64> = serde_json::from_str(&line).map_err(text)?;
    let of = |share| percentile(&latencies, share).ok_or("no job was counted".to_owned());
    let figures = vec![("p50_ms", of(0.5)?), ("p99_ms", of(0.99)?)];
    Ok(Made { settings: "INSERT and NOTIFY, LISTEN and claim, two processes".to_owned(), figures })
}

/// The worker: claims this many jobs as it is told of them, then prints their latencies in milliseconds.
pub(crate) async fn work(url: &str, jobs: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut listener = PgListener::connect(url).await?;
    let mut database = PgConnection::connect(url).await?;
    // Prepares the statement.
    query(CLAIM).execute(&mut database).await?;
    listener.listen(CHANNEL).await?;
    writeln!(io::stdout(), "{READY}")?;
    io::stdout().flush()?;
    let mut latencies: Vec<f64> = Vec::new();
    let mut claimed = 0;
    while claimed < jobs {
        listener.recv().await?;
        loop {
            let stamp: Option<i64> = query_scalar(CLAIM).fetch_optional(&mut database).await?;
            let Some(stamp) = stamp else { break };
            let latency = (nanoseconds() - stamp) as f64 / 1e6;
            claimed += 1;
            if claimed > WARM_UP {
                latencies.push(latency);
            }
            query("DELETE FROM job WHERE state = 1").execute(&mut database).await?;
        }
    }
    writeln!(io::stdout(), "{}", serde_json::to_string(&latencies)?)?;
    Ok(())
}

/// The monotonic clock, which all processes share.
fn nanoseconds() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Between 30 and 70 ms, in no order but always the same (splitmix64).
fn gap(number: u64) -> Duration {
    let mut mixed = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    Duration::from_micros(30_000 + (mixed ^ (mixed >> 31)) % 40_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_spread_over_the_range() {
        let gaps: Vec<f64> = (0..1_000).map(|number| gap(number).as_secs_f64()).collect();
        assert!(gaps.iter().all(|gap| (0.03..0.07).contains(gap)));
        let mean = gaps.iter().sum::<f64>() / 1_000.0;
        assert!((0.048..0.052).contains(&mean), "{mean}");
    }

    #[test]
    fn the_clock_only_goes_forward() {
        let before = nanoseconds();
        assert!(nanoseconds() >= before);
    }
}

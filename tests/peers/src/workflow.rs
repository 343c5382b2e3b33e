//! The works of a workflow engine: workflows of seven steps that do nothing but be durable.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::answer::{Figures, rounded};
use crate::args::Args;
use crate::clock;
use crate::load::closed_loop;
use crate::{NotOffered, Outcome};

/// All works that an engine can be asked for.
pub const WORKS: &[&str] = &["workflow", "workflow-alone"];

/// The steps of a workflow; step `n` returns `n`.
pub const STEPS: i64 = 7;
/// The sum of what the steps return, which is the result of the workflow.
pub const RESULT: i64 = STEPS * (STEPS + 1) / 2;

const WARM_UPS: i64 = 50;

/// A workflow engine under test. Cloning shares its connection pool.
pub trait Engine: Clone + Send + Sync + 'static {
    /// The name in answers.
    const SYSTEM: &'static str;
    /// The package in Cargo.lock whose version the answers name.
    const PACKAGE: &'static str;

    /// The settings as an answer states them.
    fn settings() -> String;

    /// Migrates the schema and starts the engine in this process.
    fn launch(url: &str) -> impl Future<Output = Result<Self>> + Send;

    /// Starts one workflow and waits for its end; its result is [`RESULT`].
    fn run(&self, n: i64) -> impl Future<Output = Result<i64>> + Send;

    /// Stops the engine.
    fn stop(self) -> impl Future<Output = Result<()>> + Send;
}

/// Runs one work with an engine.
pub async fn run<E: Engine>(work: &str, url: &str, args: &Args) -> Outcome {
    let figures = match work {
        "workflow" => many::<E>(url, args).await?,
        "workflow-alone" => alone::<E>(url, args).await?,
        _ => return Err(NotOffered { system: E::SYSTEM, work: work.to_owned() }.into()),
    };
    Ok(Some(figures.of(E::SYSTEM, E::PACKAGE, work, E::settings())?))
}

async fn many<E: Engine>(url: &str, args: &Args) -> Result<Figures> {
    let concurrency: u32 = args.get("concurrency", 64)?;
    let seconds = Duration::from_secs(args.get("seconds", 10)?);
    let engine = E::launch(url).await?;
    let caller = engine.clone();
    let (mut latencies, elapsed) = closed_loop(concurrency, seconds, move |n| {
        let engine = caller.clone();
        async move { run_one(&engine, n).await }
    })
    .await?;
    engine.stop().await?;
    Ok(Figures {
        rate: Some(rounded(latencies.len() as f64 / elapsed.as_secs_f64())),
        p50_ms: clock::percentile_ms(&mut latencies, 0.5),
        p99_ms: clock::percentile_ms(&mut latencies, 0.99),
        ..Figures::default()
    })
}

async fn alone<E: Engine>(url: &str, args: &Args) -> Result<Figures> {
    let runs: i64 = args.get("runs", 500)?;
    let engine = E::launch(url).await?;
    let mut latencies = Vec::new();
    for n in 1 - WARM_UPS..=runs {
        let before = clock::now();
        run_one(&engine, n).await?;
        if n > 0 {
            latencies.push(clock::now() - before);
        }
    }
    engine.stop().await?;
    Ok(Figures {
        p50_ms: clock::percentile_ms(&mut latencies, 0.5),
        p99_ms: clock::percentile_ms(&mut latencies, 0.99),
        ..Figures::default()
    })
}

async fn run_one<E: Engine>(engine: &E, n: i64) -> Result<()> {
    let result = engine.run(n).await?;
    ensure!(result == RESULT, "the workflow returned {result}, not {RESULT}");
    Ok(())
}

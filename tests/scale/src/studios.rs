//! Thousands of studios that are due at one instant: provisioned end to end by one process of the autopilot, against
//! providers that take no more calls than the real ones.

mod program;
mod providers;
mod scene;

use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::Failure;
use crate::arguments::Arguments;
use crate::checks::Checks;
use crate::cost::as_f64;
use crate::proc::Memory;
use crate::report::{self, count, figure, mebibytes};
use crate::server::{Server, rows};
use program::Program;
use providers::Provider;
use scene::Scene;

/// How much a process may grow while any number of runs is due: its slots bound what it holds.
const GROWTH: u64 = 64 << 20;

/// How long nothing may end.
const STUCK: Duration = Duration::from_secs(120);

/// What the program did with the studios.
struct Outcome {
    studios: usize,
    /// With all seven steps done.
    whole: usize,
    set_aside: usize,
    /// Attempts that ended with an error.
    failures: usize,
    took: Duration,
    /// When nothing was due yet.
    start: Memory,
    /// When nothing was due any more.
    end: Memory,
}

/// Prints both tables.
pub(crate) async fn measure(
    server: &mut Server,
    arguments: &Arguments,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let studios = arguments.get("studios", 10_000)?;
    let providers = providers::of(arguments)?;
    let scene = Scene::set(server, arguments, studios, &providers).await?;
    let program = Program::start(arguments, &scene, &providers)?;
    let outcome = provision(&scene, &program).await?;
    program.stop().await?;

    let summary = scene.sandbox.summary().await?;
    let doubled = summary.double_effects.len();
    for operation in ["twilio.create_subaccount", "twilio.buy_number"] {
        let effects = usize::try_from(summary.effects_of(operation))?;
        checks.equal(&format!("{operation}, all studios"), effects, studios);
    }
    checks.equal("studios with 7 of 7 steps", outcome.whole, studios);
    checks.equal("studios set aside", outcome.set_aside, 0);
    checks.equal("effects doubled", doubled, 0);
    let grown = outcome.end.peak.saturating_sub(outcome.start.resident);
    checks.at_most(
        "bytes that the process grew",
        usize::try_from(grown)?,
        usize::try_from(GROWTH)?,
    );
    print_outcome(&outcome, doubled);
    print_traffic(&scene, &providers, studios, checks);
    scene.strike(server).await
}

/// Makes all studios due at once, and waits until the last run has ended.
async fn provision(scene: &Scene, program: &Program) -> Result<Outcome, Failure> {
    // What a process needs before it has done anything.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let start = program.memory()?;
    scene.make_due().await?;
    let begun = Instant::now();
    until_ended(&scene.pool).await?;
    let took = begun.elapsed();
    let whole = "engine.run_status WHERE status = 'completed' AND steps = 7 AND steps_done = 7";
    Ok(Outcome {
        studios: scene.studios.len(),
        whole: rows(&scene.pool, whole).await?,
        set_aside: rows(&scene.pool, "engine.dead_letter").await?,
        failures: rows(&scene.pool, "engine.failure").await?,
        took,
        start,
        end: program.memory()?,
    })
}

async fn until_ended(pool: &PgPool) -> Result<(), Failure> {
    let mut seen = (0, Instant::now());
    loop {
        let left = rows(pool, "engine.job").await?;
        if left == 0 {
            return Ok(());
        }
        let done = rows(pool, "engine.step WHERE state = 'done'").await?;
        if done != seen.0 {
            seen = (done, Instant::now());
        }
        if seen.1.elapsed() > STUCK {
            return Err(format!("{left} runs are left and no step has ended in {STUCK:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn print_outcome(outcome: &Outcome, doubled: usize) {
    let columns = [
        "studios due",
        "7 of 7",
        "set aside",
        "wall time s",
        "studios/s",
        "failed attempts",
        "effects doubled",
        "RSS at start",
        "peak",
        "at end",
    ];
    let row = vec![
        count(outcome.studios),
        count(outcome.whole),
        count(outcome.set_aside),
        figure(outcome.took.as_secs_f64()),
        figure(as_f64(outcome.whole) / outcome.took.as_secs_f64()),
        count(outcome.failures),
        count(doubled),
        mebibytes(outcome.start.resident),
        mebibytes(outcome.end.peak),
        mebibytes(outcome.end.resident),
    ];
    let note =
        "One `autopilot serve --workers` with its defaults; all runs become due in one commit.";
    report::table("Studios due at one instant", note, &columns, &[row]);
}

fn print_traffic(scene: &Scene, providers: &[Provider], studios: usize, checks: &mut Checks) {
    let mut table = Vec::new();
    for provider in providers {
        let traffic = scene.sandbox.traffic(provider.which);
        let name = provider.name;
        checks.equal(&format!("{name}: calls refused with 429"), traffic.refused, 0);
        let (peak, limit) = (traffic.peak_per_second, provider.limit);
        checks.at_most(&format!("{name}: calls in a second"), peak, limit);
        table.push(vec![
            name.to_owned(),
            count(traffic.calls),
            figure(as_f64(traffic.calls) / as_f64(studios.max(1))),
            count(limit),
            provider.pace.map_or("off".to_owned(), count),
            count(peak),
            count(traffic.peak_at_once),
            count(traffic.refused),
        ]);
    }
    let note = "Limits are enforced by the stand-in over any second, with 429 beyond; the peak is counted there too, \
                refused calls included. The pace is the setting `calls_per_second`.";
    let columns = [
        "provider",
        "calls",
        "calls/studio",
        "limit/s",
        "pace/s",
        "most in a second",
        "most at once",
        "429",
    ];
    report::table("Calls to the providers meanwhile", note, &columns, &table);
}

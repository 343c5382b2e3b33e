//! What a job costs where there are many queues, or many workspaces; and what many queues cost while nothing is to do.

use std::time::Duration;

use crate::Failure;
use crate::arguments::Arguments;
use crate::checks::Checks;
use crate::cost::{A_JOB, Cost, as_f64, columns};
use crate::load::{Load, What};
use crate::report::{self, count, figure};
use crate::server::Server;
use crate::workers::{Shape, Workers};

/// How many queues or workspaces there are.
const BREADTHS: [usize; 4] = [1, 10, 100, 1_000];

/// Of them, those at which an idle process is watched.
const IDLE_BREADTHS: [usize; 2] = [1, 1_000];

/// Jobs at a time in the process, over all queues.
const SLOTS: usize = 2_000;

/// How long an idle process is watched: five of its heartbeats and looks.
const IDLE: Duration = Duration::from_secs(10);

/// One worker process that serves all queues.
pub(crate) async fn queues(
    server: &mut Server,
    arguments: &Arguments,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let jobs = arguments.get("jobs", 40_000)?;
    let (mut table, mut costs, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for queues in BREADTHS {
        let load = Load { work: What::Jobs, count: jobs, queues, workspaces: 0 };
        let shape = Shape { processes: 1, queues, slots: SLOTS / queues };
        let cost = Cost::of(server, &format!("queues_{queues}"), load, shape, checks).await?;
        table.push(cost.cells(count(queues)));
        costs.push(cost);
        if IDLE_BREADTHS.contains(&queues) {
            idle.push(watch_idle(server, shape).await?);
        }
    }
    let note = format!(
        "{} no-op jobs, one process with {} slots over all queues. {}",
        count(jobs),
        count(SLOTS),
        growth(&costs, "queues")
    );
    report::table("Cost of a job by queues", &note, &columns("queues", &A_JOB), &table);
    let note = format!("One process, nothing to do, {} s.", IDLE.as_secs());
    let columns = ["queues", "statements/s", "server CPU ms/s", "client's CPU ms/s"];
    report::table("Cost of idling by queues", &note, &columns, &idle);
    Ok(())
}

/// One worker process and one queue, with jobs of all workspaces in turn.
pub(crate) async fn workspaces(
    server: &mut Server,
    arguments: &Arguments,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let jobs = arguments.get("jobs", 40_000)?;
    let (mut table, mut costs) = (Vec::new(), Vec::new());
    for workspaces in BREADTHS {
        let load = Load { work: What::Jobs, count: jobs, queues: 0, workspaces };
        let shape = Shape { processes: 1, queues: 0, slots: SLOTS };
        let name = format!("workspaces_{workspaces}");
        let cost = Cost::of(server, &name, load, shape, checks).await?;
        table.push(cost.cells(count(workspaces)));
        costs.push(cost);
    }
    let note = format!(
        "{} no-op jobs in one queue, one process with {} slots. {}",
        count(jobs),
        count(SLOTS),
        growth(&costs, "workspaces")
    );
    report::table("Cost of a job by workspaces", &note, &columns("workspaces", &A_JOB), &table);
    Ok(())
}

/// What grows from the fewest to the most.
fn growth(costs: &[Cost], of: &str) -> String {
    let (Some(few), Some(many)) = (costs.first(), costs.last()) else { return String::new() };
    let factor = many.cpu_each() / few.cpu_each();
    let [least, .., most] = BREADTHS;
    format!(
        "From {} to {} {of} the CPU of a job, server and client, becomes {} times as much.",
        count(least),
        count(most),
        figure(factor)
    )
}

/// What a process costs that has nothing to do.
async fn watch_idle(server: &mut Server, shape: Shape) -> Result<Vec<String>, Failure> {
    let database = server.fresh(&format!("idle_{}", shape.queues)).await?;
    let mut workers = Workers::start(&database, shape).await?;
    workers.go().await?;
    // Registering and the first looks are not idling.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let asked = server.asked(&database).await?;
    let (work, clients) = (server.work().await?, workers.cpu()?);
    tokio::time::sleep(IDLE).await;
    let spent = workers.cpu()?.saturating_sub(clients);
    let (later, now) = (server.work().await?, server.asked(&database).await?);
    workers.stop().await?;
    server.drop(database).await?;
    let time = later.at.saturating_duration_since(work.at).as_secs_f64();
    let statements = now.statements.zip(asked.statements).map_or(f64::NAN, |(now, then)| {
        as_f64(usize::try_from(now - then).unwrap_or_default()) / time
    });
    let millis = |spent: Duration| figure(spent.as_secs_f64() * 1e3 / time);
    Ok(vec![
        count(shape.queues),
        figure(statements),
        millis(later.cpu.saturating_sub(work.cpu)),
        millis(spent),
    ])
}

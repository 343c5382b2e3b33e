//! What a job and a step cost at 1, 2, 4 and 8 worker processes.

use crate::Failure;
use crate::arguments::Arguments;
use crate::checks::Checks;
use crate::cost::{A_JOB, A_STEP, Cost, columns};
use crate::load::{Load, What};
use crate::report::{self, count};
use crate::server::Server;
use crate::workers::Shape;

/// Jobs or runs at a time in each process.
const SLOTS: usize = 400;

/// Prints both tables.
pub(crate) async fn measure(
    server: &mut Server,
    arguments: &Arguments,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let (jobs, runs) = (arguments.get("jobs", 40_000)?, arguments.get("runs", 8_000)?);
    for (work, amount, unit, what) in
        [(What::Jobs, jobs, &A_JOB, "job"), (What::Runs, runs, &A_STEP, "step")]
    {
        let mut table = Vec::new();
        for processes in [1, 2, 4, 8] {
            let load = Load { work, count: amount, queues: 0, workspaces: 0 };
            let shape = Shape { processes, queues: 0, slots: SLOTS };
            let name = format!("{what}s_{processes}");
            let cost = Cost::of(server, &name, load, shape, checks).await?;
            table.push(cost.cells(count(processes)));
        }
        let note = match work {
            What::Jobs => format!("{} no-op jobs, {SLOTS} slots a process.", count(amount)),
            What::Runs => format!(
                "{} runs of 7 no-op steps, each durable before the next; {SLOTS} slots a process.",
                count(amount)
            ),
        };
        let title = format!("Cost of a {what} by worker processes");
        report::table(&title, &note, &columns("processes", unit), &table);
    }
    Ok(())
}

//! The fault suite on the command line: `chaos --seed N --only "T4 T6" --size 0.2 --e2e PROGRAM --write RELIABILITY.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the table is the program's output")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use autopilot_tests::chaos::{self, Order, Row, Trial};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: chaos [--seed N] [--only \"T4 T6\"] [--size 1.0] [--controls on|off] [--folder DIR] \
                     [--e2e PROGRAM] [--unit PROGRAM]... [--write DOCUMENT]";

/// What is asked for.
struct Asked {
    order: Order,
    only: Vec<String>,
    controls: bool,
    write: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!(
        "seed {}, size {}, folder {}",
        asked.order.seed,
        asked.order.size,
        asked.order.folder.display()
    );
    // Whoever ends this ends its processes too: they are ended when the trial is dropped.
    tokio::select! {
        code = all(asked) => code,
        code = ended() => code.unwrap_or(ExitCode::FAILURE),
    }
}

/// Waits for SIGTERM or SIGINT; what a shell says of them.
async fn ended() -> std::io::Result<ExitCode> {
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminated.recv() => ExitCode::from(143),
        _ = interrupted.recv() => ExitCode::from(130),
    })
}

async fn all(asked: Asked) -> ExitCode {
    let began = Instant::now();
    let is_asked =
        |trial: &Trial| asked.only.is_empty() || asked.only.iter().any(|id| id == trial.id);
    let mut rows: Vec<Row> = Vec::new();
    for trial in chaos::TRIALS.iter().copied().filter(is_asked) {
        eprintln!("{} {}", trial.id, trial.breaks);
        let row = chaos::run(trial, &asked.order, asked.controls).await;
        let how = if row.is_clean() { "well" } else { "BADLY" };
        eprintln!("{} ended {how} after {:.0} s", trial.id, row.took.as_secs_f64());
        rows.push(row);
    }
    let took = began.elapsed().as_secs();
    let text = format!(
        "Seed {}, size {}, {} min {} s in all, {} processors.\n\n{}",
        asked.order.seed,
        asked.order.size,
        took / 60,
        took % 60,
        std::thread::available_parallelism().map_or(0, usize::from),
        chaos::table(&rows)
    );
    println!("\n{text}");
    if let Some(document) = &asked.write
        && let Err(error) = chaos::write_between(document, &text)
    {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if rows.is_empty() {
        eprintln!("there is no such trial");
    }
    let clean = !rows.is_empty() && rows.iter().all(Row::is_clean);
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn asked() -> Result<Asked, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let (mut seed, mut size) = (u64::from(std::process::id()), 1.0);
    let mut folder = std::env::temp_dir().join(format!("autopilot-chaos-{}", std::process::id()));
    let (mut only, mut controls, mut write) = (Vec::new(), true, None);
    let (mut e2e, mut units) = (None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let wrong = || format!("{name} {value} is no option");
        match name.as_str() {
            "--seed" => seed = value.parse().map_err(|_error| wrong())?,
            "--size" => size = value.parse().map_err(|_error| wrong())?,
            "--only" => only = value.split_whitespace().map(str::to_owned).collect(),
            "--controls" => controls = value == "on",
            "--folder" => folder = PathBuf::from(&value),
            "--e2e" => e2e = Some(PathBuf::from(&value)).filter(|path| path.is_file()),
            "--unit" => units.push(PathBuf::from(&value)),
            "--write" => write = Some(PathBuf::from(&value)),
            _ => return Err(wrong()),
        }
    }
    let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let order =
        Order { e2e, units, ..Order::new(seed, size, folder, here.with_file_name("autopilot")) };
    Ok(Asked { order, only, controls, write })
}

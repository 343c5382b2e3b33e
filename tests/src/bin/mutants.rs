//! T24 on the command line: `mutants --e2e PROGRAM [--only "claim.sql finish.sql"] [--most N] [--seed N] [--folder DIR]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the list is the program's output")]

use std::path::PathBuf;
use std::process::ExitCode;

use autopilot_tests::mutants::Survey;

const USAGE: &str =
    "usage: mutants --e2e PROGRAM [--only \"PARTS OF NAMES\"] [--most N] [--seed N] [--folder DIR]";

#[tokio::main]
async fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let survey = Survey {
        e2e: &asked.e2e,
        folder: &asked.folder,
        only: &asked.only,
        most: asked.most,
        seed: asked.seed,
        tests: "::",
    };
    match survey.run(|line| println!("{line}")).await {
        Ok(found) => {
            println!(
                "{} mutants: {} caught, {} known to be no different, {} survived",
                found.tried,
                found.caught,
                found.known,
                found.survived.len()
            );
            if found.tried > 0 && found.survived.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What is asked for.
struct Asked {
    e2e: PathBuf,
    folder: PathBuf,
    only: String,
    most: usize,
    seed: u64,
}

fn asked() -> Result<Asked, String> {
    let (mut e2e, mut only, mut most) = (None, String::new(), usize::MAX);
    let (mut folder, mut seed) = (std::env::temp_dir(), u64::from(std::process::id()));
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        let wrong = || format!("{name} {value} is no option");
        match name.as_str() {
            "--e2e" => e2e = Some(PathBuf::from(&value)).filter(|path| path.is_file()),
            "--only" => only = value,
            "--most" => most = value.parse().map_err(|_error| wrong())?,
            "--seed" => seed = value.parse().map_err(|_error| wrong())?,
            "--folder" => folder = PathBuf::from(&value),
            _ => return Err(wrong()),
        }
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let e2e = e2e.ok_or("--e2e names no program: build the tests first")?;
    Ok(Asked { e2e, folder, only, most, seed })
}

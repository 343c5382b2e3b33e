//! Puts webhooks on the process, and on a bare insert behind HTTP, and measures them:
//! `autopilot-webhook-load [raw] webhook [--name value …]`, on the empty database of `DATABASE_URL`. The last line on
//! stdout is one JSON object; progress goes to stderr.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what the program is for")]

mod arguments;
mod autopilot;
mod events;
mod raw;
mod wrk;

use std::error::Error;
use std::process::ExitCode;

use arguments::{Arguments, System};
use serde_json::json;
use sqlx::{Connection, PgConnection};

/// What can be measured.
const WORK: &str = "webhook";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("autopilot-webhook-load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1))? else {
        let version = env!("CARGO_PKG_VERSION");
        let listed = ["autopilot", "raw"]
            .map(|system| json!({ "system": system, "version": version, "works": [WORK] }));
        println!("{}", json!(listed));
        return Ok(());
    };
    let url = std::env::var("DATABASE_URL").map_err(|_not_set| "DATABASE_URL is not set")?;
    let (system, settings, load) = match arguments.system {
        System::Autopilot => {
            let load = autopilot::measure(&url, &arguments).await?;
            let name = format!("autopilot {}", env!("CARGO_PKG_VERSION"));
            (name, "autopilot serve --http, a job with each event".to_owned(), load)
        }
        System::Raw => {
            let load = raw::measure(&url, &arguments).await?;
            let settings = format!("axum, one INSERT an event, no job, pool of {}", arguments.pool);
            ("raw".to_owned(), settings, load)
        }
    };
    let settings = format!("{settings}; wrk, {} connections", arguments.connections);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = load.answers as f64 / arguments.seconds as f64;
    let answer = json!({
        "system": system, "work": WORK, "settings": settings,
        "rate": rate, "p50_ms": load.p50_us / 1e3, "p99_ms": load.p99_us / 1e3,
    });
    println!("{answer}");
    Ok(())
}

/// How many rows there are of a table, by the statement that counts them.
async fn count(url: &str, statement: &'static str) -> Result<u64, Box<dyn Error>> {
    let mut database = PgConnection::connect(url).await?;
    let count: i64 = sqlx::query_scalar(statement).fetch_one(&mut database).await?;
    Ok(u64::try_from(count)?)
}

/// Every answer stands for one row, and every row for one answer.
fn agree(what: &str, answers: u64, rows: u64) -> Result<(), String> {
    if answers == rows {
        return Ok(());
    }
    Err(format!("{answers} events were answered with 2xx, and {rows} {what} are there"))
}

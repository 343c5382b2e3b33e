//! A worker process of a measurement: `scale worker --queues N --slots N`.
//!
//! It says `ready` when it has reached the database, begins at the line `go`, says `done N` as jobs end, takes the line
//! `come` for the event of all waiting runs, and drains at `stop`; then it says what was `picked` after how long.

use std::sync::Arc;
use std::time::Duration;

use autopilot_engine::{Worker, WorkerConfig};
use sqlx::postgres::PgPoolOptions;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio_util::sync::CancellationToken;

use crate::arguments::Arguments;
use crate::jobs::{Notes, registry};
use crate::{Failure, report};

/// At most so many jobs in a claim; the engine's default is half of it.
const CLAIM: usize = 200;

/// How often progress is told.
const TELL: Duration = Duration::from_millis(10);

/// Works until its standard input says so.
pub(crate) async fn run(words: impl Iterator<Item = String>) -> Result<(), Failure> {
    let arguments = Arguments::parse(words)?;
    let (queues, slots) = (arguments.get("queues", 0)?, arguments.get("slots", 1)?);
    let url = std::env::var("DATABASE_URL").map_err(|_error| "DATABASE_URL is not set")?;
    let pool = PgPoolOptions::new().max_connections(16).connect(&url).await?;
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    report::line("ready");
    expect(&mut input, "go").await?;

    let notes = Arc::new(Notes::default());
    let config = WorkerConfig {
        queues: names(queues).into_iter().map(|name| (name, slots)).collect(),
        claim_batch: CLAIM,
        ..WorkerConfig::default()
    };
    let worker = Worker::new(pool, Arc::clone(&notes), Arc::new(registry()), config);
    let stop = CancellationToken::new();
    let mut working = tokio::spawn(worker.run_until(stop.clone()));
    let telling = tokio::spawn(tell(Arc::clone(&notes)));
    loop {
        tokio::select! {
            line = input.next_line() => match line?.as_deref() {
                Some("come") => notes.come(),
                Some("stop") | None => break,
                Some(other) => return Err(format!("{other:?} is nothing to do").into()),
            },
            ended = &mut working => {
                ended??;
                return Err("the worker ended by itself".into());
            }
        }
    }
    stop.cancel();
    working.await??;
    telling.abort();
    report::line(&format!("done {}", notes.done()));
    for took in notes.picked() {
        report::line(&format!("picked {took}"));
    }
    Ok(())
}

/// The queues that a process serves: the default one, or so many others.
pub(crate) fn names(queues: usize) -> Vec<String> {
    match queues {
        0 => vec!["default".to_owned()],
        queues => (0..queues).map(|number| format!("scale-{number}")).collect(),
    }
}

async fn expect(input: &mut Lines<BufReader<Stdin>>, word: &str) -> Result<(), Failure> {
    match input.next_line().await? {
        Some(line) if line == word => Ok(()),
        other => Err(format!("{other:?} instead of {word:?}").into()),
    }
}

/// Tells how many jobs are done, as often as that changes.
async fn tell(notes: Arc<Notes>) {
    let mut told = 0;
    let mut ticks = tokio::time::interval(TELL);
    loop {
        ticks.tick().await;
        let done = notes.done();
        if done != told {
            report::line(&format!("done {done}"));
            told = done;
        }
    }
}

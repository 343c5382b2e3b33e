//! The systems, one file each: only what differs between them.

mod apalis_postgres;
mod awa;
mod dbos;
mod durare;
mod graphile_worker;
mod riverqueue;
mod underway;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::Outcome;
use crate::answer::version;
use crate::args::Args;
use crate::queue::{self, Queue};
use crate::workflow::{self, Engine};

use self::apalis_postgres::Apalis;
use self::awa::Awa;
use self::dbos::Dbos;
use self::durare::Durare;
use self::graphile_worker::GraphileWorker;
use self::riverqueue::River;
use self::underway::{UnderwayJobs, UnderwayQueue};

/// A row of `autopilot-peers list`.
#[derive(Debug, Serialize)]
pub struct Listed {
    system: &'static str,
    version: &'static str,
    works: Vec<&'static str>,
}

/// A queue and an engine by one name.
const UNDERWAY: &str = UnderwayQueue::SYSTEM;

/// Every system, its version and the works that it offers.
pub fn list() -> Result<Vec<Listed>> {
    Ok(vec![
        queue::<GraphileWorker>()?,
        queue::<River>()?,
        queue::<Awa>()?,
        engine::<Dbos>()?,
        engine::<Durare>()?,
        queue::<Apalis>()?,
        both::<UnderwayQueue, UnderwayJobs>()?,
    ])
}

/// Runs one work with the system of that name.
pub async fn run(system: &str, work: &str, url: &str, args: &Args) -> Outcome {
    match system {
        GraphileWorker::SYSTEM => queue::run::<GraphileWorker>(work, url, args).await,
        River::SYSTEM => queue::run::<River>(work, url, args).await,
        Awa::SYSTEM => queue::run::<Awa>(work, url, args).await,
        Dbos::SYSTEM => workflow::run::<Dbos>(work, url, args).await,
        Durare::SYSTEM => workflow::run::<Durare>(work, url, args).await,
        Apalis::SYSTEM => queue::run::<Apalis>(work, url, args).await,
        UNDERWAY if workflow::WORKS.contains(&work) => {
            workflow::run::<UnderwayJobs>(work, url, args).await
        }
        UNDERWAY => queue::run::<UnderwayQueue>(work, url, args).await,
        _ => bail!("no system `{system}`; `autopilot-peers list` names them"),
    }
}

fn queue<Q: Queue>() -> Result<Listed> {
    let works = queue::WORKS.to_vec();
    Ok(Listed { system: Q::SYSTEM, version: version(Q::PACKAGE)?, works })
}

fn engine<E: Engine>() -> Result<Listed> {
    let works = workflow::WORKS.to_vec();
    Ok(Listed { system: E::SYSTEM, version: version(E::PACKAGE)?, works })
}

fn both<Q: Queue, E: Engine>() -> Result<Listed> {
    let mut listed = queue::<Q>()?;
    listed.works.extend(engine::<E>()?.works);
    Ok(listed)
}

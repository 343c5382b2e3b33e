//! `autopilot serve`: HTTP, workers, or both, until told to stop.

mod ready;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use autopilot_engine::secrets::Vault;
use autopilot_engine::{Locks, Redis, Registry, Strains, Worker};
use autopilot_workflows::app::App;
use autopilot_workflows::tenancy;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use ready::ReadyFile;

use crate::cli::Serve;
use crate::config::Config;
use crate::exit::Exit;
use crate::fail::Fail;
use crate::{app, console, database, http, shutdown};

/// Serves until the first signal, then drains.
///
/// # Errors
/// Everything that speaks against starting is told before anything is written; once running, a database that is
/// away is waited for.
pub(crate) async fn run(args: Serve, config: &Config) -> Result<Exit, Fail> {
    let neither = !args.http && !args.workers;
    let [serves_http, runs_workers] = [args.http || neither, args.workers || neither];
    if args.ready_file.is_some() && !serves_http {
        return Err(Fail::usage("--ready-file holds the address of the HTTP server: add --http"));
    }
    let stop = shutdown::listen()?;
    // What the configuration alone decides comes before the database is asked anything.
    let prepared = if runs_workers { Some(Prepared::of(config)?) } else { None };
    let mut ready = args.ready_file.as_deref().map(ReadyFile::at).transpose()?;
    let pool = database::open(&config.database).await?;
    tenancy::verify(&pool).await?;
    let strains = Strains::default();
    let worker = match prepared {
        Some(prepared) => Some(prepared.worker(&pool).await?.strains(strains.clone())),
        None => None,
    };
    let server = if serves_http { Some(bind(config, &pool, strains).await?) } else { None };
    announce(server.as_ref().map(|server| server.address), runs_workers.then_some(config));
    if let (Some(ready), Some(server)) = (&mut ready, &server) {
        ready.tell(server.address)?;
    }
    let serving = async {
        let Some(Server { listener, router, intake, .. }) = server else { return Ok(()) };
        let (closing, grace) = (CancellationToken::new(), config.worker.drain_grace);
        let close = async {
            stop.cancelled().await;
            if let Some(ready) = &ready {
                ready.withdraw();
            }
            closing.cancel();
            std::future::pending().await
        };
        let served = tokio::select! {
            served = http::serve(listener, router, closing.clone(), grace) => served,
            never = close => never,
        };
        intake.close().await;
        served.map_err(Fail::from)
    };
    let working = async {
        let Some(worker) = worker else { return Ok(()) };
        let ended = worker.run_until(stop.clone()).await;
        ended.map_err(|error| Fail::new(Exit::Failed, error.to_string()))
    };
    let (served, worked) =
        tokio::join!(until_error(serving, &stop), until_error(Box::pin(working), &stop));
    pool.close().await;
    served.and(worked)?;
    Ok(Exit::Ok)
}

/// Lets the other half drain when this one ends with an error: half a process looks healthy and is not.
async fn until_error(
    half: impl Future<Output = Result<(), Fail>>,
    stop: &CancellationToken,
) -> Result<(), Fail> {
    let ended = half.await;
    if let Err(error) = &ended {
        tracing::error!(%error, "ending; the rest drains");
        stop.cancel();
    }
    ended
}

/// A worker as far as the configuration alone can make it.
struct Prepared {
    app: App,
    registry: Registry<App>,
    settings: autopilot_engine::WorkerConfig,
    keyring: autopilot_engine::secrets::Keyring,
    redis: Option<Redis>,
}

impl Prepared {
    fn of(config: &Config) -> Result<Self, Fail> {
        Ok(Self {
            keyring: app::keyring(&config.encryption.keys)?,
            redis: app::redis(config.redis.url.as_ref())?,
            settings: app::worker(config)?,
            registry: app::registry(config),
            app: app::build(config)?,
        })
    }

    /// Opens the vault, which refuses a wrong or missing key before anything is written.
    async fn worker(self, pool: &PgPool) -> Result<Worker<App>, Fail> {
        let vault = Vault::open(pool, self.keyring).await?;
        let (app, registry) = (Arc::new(self.app), Arc::new(self.registry));
        let locks = Locks::new(pool.clone());
        let locks = match self.redis {
            Some(redis) => locks.shedding(redis),
            None => locks,
        };
        Ok(Worker::new(pool.clone(), app, registry, self.settings).vault(vault).locks(locks))
    }
}

struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: axum::Router,
    intake: http::Intake,
}

async fn bind(config: &Config, pool: &PgPool, strains: Strains) -> Result<Server, Fail> {
    let bind = config.http.bind;
    // The configuration was refused already; whoever changes that rule meets this one.
    if !bind.ip().is_loopback() && config.http.api_token.is_none() {
        return Err(Fail::usage("others can reach http.bind: set AUTOPILOT_API_TOKEN first"));
    }
    let cannot = |error: io::Error| {
        Fail::usage(format!("cannot listen on {bind}: {error}; set AUTOPILOT__HTTP__BIND"))
    };
    let listener = TcpListener::bind(bind).await.map_err(cannot)?;
    let address = listener.local_addr()?;
    // A process that serves HTTP only needs no key, unless Twilio signs with the studios' own tokens.
    let vault = if config.encryption.keys.is_empty() {
        None
    } else {
        Some(Vault::open(pool, app::keyring(&config.encryption.keys)?).await?)
    };
    let state = http::Http::new(config, pool.clone(), vault, strains)?;
    let intake = state.intake();
    let places = config.http.max_concurrent_requests.get();
    let router = http::router(state, places, config.http.request_timeout);
    Ok(Server { listener, address, router, intake })
}

/// One line that says what this process does.
fn announce(http: Option<SocketAddr>, workers: Option<&Config>) {
    let http = http.map(|address| format!("http on http://{address}"));
    let workers = workers.map(|config| {
        let queues = config.worker.queues.iter().filter(|(_, concurrency)| **concurrency > 0);
        let queues = queues.map(|(queue, concurrency)| format!("{queue} {concurrency}"));
        format!("workers for {}", queues.collect::<Vec<_>>().join(", "))
    });
    let what = [http, workers].into_iter().flatten().collect::<Vec<_>>().join(" and ");
    console::say(&format!("autopilot {} serves {what}", autopilot_engine::VERSION));
}

#[cfg(test)]
mod tests;

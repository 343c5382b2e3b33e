//! The way through a pooler in transaction mode, such as PgBouncer's, which gives each transaction whichever connection to
//! the server is free: whatever belongs to a session is lost between two of them.
//!
//! sqlx cannot do without a session. It prepares each statement by name in one transaction and runs it in another, also
//! where its cache is off, and a loop's planner settings belong to its connection ([`line`](crate::line)). So between sqlx
//! and the pooler stands a translator in this process, which every connection goes through: wherever a statement is run,
//! its text goes along, and the settings of a session go before the first statement of each transaction. That takes no
//! round trip more, and holds for every statement of the process, an application's own as well as ours. What it costs is
//! that the server plans each statement whenever it is run.
//!
//! What it cannot mend must be left off: LISTEN ([`WorkerConfig::listen`](crate::WorkerConfig)), session locks (so
//! migrations need a direct connection), temporary tables.

mod message;
mod relay;
mod session;
mod startup;

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Why a pooler cannot be reached through the translator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolerError {
    /// The translator has to read what is said.
    #[error(
        "the pooler at {place} is asked for over TLS, which the translator for poolers does not speak: reach it over a \
         trusted network and add sslmode=disable to the database's address, or put a pooler beside this process"
    )]
    Tls {
        /// Where the pooler is.
        place: String,
    },
    /// The translator could not be started.
    #[error("the translator for poolers could not be started: {0}")]
    Start(#[from] io::Error),
}

/// Starts a translator before the pooler of `options`, and answers how it is reached.
///
/// It lives as long as the process, on a thread of its own, so that blocking work cannot hold up heartbeats, and serves every
/// database of that pooler. What the options say of a session, such as [`PgConnectOptions::options`], also if it is said later, holds for each
/// transaction.
///
/// # Errors
/// When the options ask for TLS, or leave it open towards another machine, and when no port or thread is to be had.
pub fn through(options: PgConnectOptions) -> Result<PgConnectOptions, PoolerError> {
    let target = relay::Target::of(&options);
    if asks_for_tls(&options, &target) {
        return Err(PoolerError::Tls { place: target.to_string() });
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("pooler".to_owned())
        .spawn(move || runtime.block_on(relay::serve(listener, target)))?;
    let options = options.host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
    Ok(options)
}

/// By default TLS is used where the server has it: that must not be lost in silence on the way to another machine.
fn asks_for_tls(options: &PgConnectOptions, target: &relay::Target) -> bool {
    let is_near = match target {
        relay::Target::Socket(_) => true,
        relay::Target::Tcp(host, _) => {
            host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    };
    match options.get_ssl_mode() {
        PgSslMode::Disable => false,
        PgSslMode::Allow | PgSslMode::Prefer => !is_near,
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => true,
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> Option<String> {
        through(url.parse().unwrap()).err().map(|error| error.to_string())
    }

    #[tokio::test]
    async fn tls_that_is_asked_for_is_never_left_out_in_silence() {
        for url in [
            "postgres://a@127.0.0.1:6432/b?sslmode=require",
            "postgres://a@localhost:6432/b?sslmode=verify-full",
            "postgres://a@10.0.0.7:6432/b",
            "postgres://a@pooler.example:6432/b?sslmode=prefer",
        ] {
            let told = refused(url).unwrap();
            assert!(told.contains("sslmode=disable") && told.contains(":6432"), "{told}");
        }
        for url in [
            "postgres://a@127.0.0.1:6432/b",
            "postgres://a@localhost:6432/b",
            "postgres://a@%2Frun%2Fpgbouncer:6432/b",
            "postgres://a@10.0.0.7:6432/b?sslmode=disable",
        ] {
            assert_eq!(refused(url), None, "{url}");
        }
    }
}

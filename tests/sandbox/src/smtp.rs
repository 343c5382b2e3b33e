//! A mail server that accepts mail and delivers none of it.
//!
//! Plain text on loopback: a development tool needs no certificate.

mod session;
mod verb;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::server::Shared;

/// Serves until the sandbox stops; sessions that are open then are dropped.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            Some(_ended) = sessions.join_next() => {}
            accepted = listener.accept() => {
                // A connection that was gone before it was accepted concerns nobody.
                if let Ok((stream, _peer)) = accepted {
                    let shared = Arc::clone(&shared);
                    sessions.spawn(async move { session::run(stream, &shared).await });
                }
            }
        }
    }
}

//! SIGTERM and SIGINT: the first asks for a drain, the second ends the process at once.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// A token that is cancelled by the first SIGTERM or SIGINT. The second ends the process with code 130, without
/// running anything to its end; the jobs it held run elsewhere when their lease ends.
///
/// The handlers stand when this returns, so no signal after it is missed.
///
/// # Errors
///
/// When the handlers cannot be installed.
pub(crate) fn listen() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let requested = shutdown.clone();
    tokio::spawn(async move {
        let next = async move || {
            tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            }
        };
        follow(next, &requested, || std::process::exit(Exit::Interrupted.code().into())).await;
    });
    Ok(shutdown)
}

/// The order of events, apart from the signals themselves.
async fn follow(
    mut next: impl AsyncFnMut() -> &'static str,
    shutdown: &CancellationToken,
    end: impl FnOnce(),
) {
    let name = next().await;
    tracing::info!(signal = name, "draining; a second signal ends the process at once");
    shutdown.cancel();
    let name = next().await;
    tracing::warn!(signal = name, "ending at once; leases bring the jobs elsewhere");
    end();
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_ends() {
        let (signals, mut arrived) = mpsc::unbounded_channel();
        let next = async move || arrived.recv().await.unwrap();
        let shutdown = CancellationToken::new();
        let ended = Cell::new(false);

        let sender = async {
            assert!(!shutdown.is_cancelled());
            signals.send("SIGTERM").unwrap();
            shutdown.cancelled().await;
            assert!(!ended.get());
            signals.send("SIGINT").unwrap();
        };
        tokio::join!(follow(next, &shutdown, || ended.set(true)), sender);
        assert!(ended.get());
    }
}

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

    use super::*;

    #[tokio::test]
    async fn the_first_signal_asks_and_the_second_ends() {
        let shutdown = CancellationToken::new();
        let signals = Cell::new(0);
        let ended = Cell::new(false);
        let next = async || {
            // What the signals before this one have led to.
            assert_eq!((signals.get(), false), (i32::from(shutdown.is_cancelled()), ended.get()));
            signals.set(signals.get() + 1);
            "SIGTERM"
        };
        follow(next, &shutdown, || ended.set(true)).await;
        assert_eq!((signals.get(), ended.get()), (2, true));
    }
}

//! Prism, which holds every exchange against a provider's official description.

use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// It reads a large description in a few seconds; on a busy machine it has taken half a minute.
const START: Duration = Duration::from_secs(120);

/// Why Prism does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrismError {
    /// It did not start.
    #[error("cannot run Prism: {0}; `make contract` installs it")]
    Start(#[from] io::Error),
    /// It has ended, or does not listen.
    #[error("Prism does not listen for {spec}: {reason}")]
    Silent {
        /// The description that it was to run.
        spec: String,
        /// What was seen of it.
        reason: String,
    },
}

/// A proxy between a client and `upstream`. It ends with this.
#[derive(Debug)]
pub(crate) struct Prism {
    _child: Child,
    pub(crate) address: String,
}

impl Prism {
    /// Starts a proxy that refuses what `spec` does not allow, on both sides.
    pub(crate) async fn start(
        spec: &Path,
        upstream: &str,
        node: &Path,
    ) -> Result<Self, PrismError> {
        let port = free_port()?;
        let mut child = Command::new("node")
            .arg(node.join("node_modules/@stoplight/prism-cli/dist/index.js"))
            .args(["proxy", "--errors", "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .arg(spec)
            .arg(upstream)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let until = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let silent =
                |reason: String| PrismError::Silent { spec: spec.display().to_string(), reason };
            if let Some(status) = child.try_wait()? {
                return Err(silent(format!("it ended with {status}")));
            }
            if Instant::now() > until {
                return Err(silent(format!("it was given {} s", START.as_secs())));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { _child: child, address: format!("http://127.0.0.1:{port}") })
    }
}

/// What Prism says is wrong, if this answer is its own and not the provider's.
pub(crate) fn objection(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let kind = answer.get("type")?.as_str()?.strip_prefix("https://stoplight.io/prism/errors#")?;
    let validation = answer.get("validation").and_then(Value::as_array);
    let details: Vec<String> = validation
        .into_iter()
        .flatten()
        .map(|one| {
            let of = |name| one.get(name).map(Value::to_string).unwrap_or_default();
            format!("{} {}", of("location"), of("message"))
        })
        .collect();
    Some(format!("{kind} {}", details.join("; ")))
}

/// A port that nobody listens on. Somebody else may be faster; then Prism ends, and says so.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

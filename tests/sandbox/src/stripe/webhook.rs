//! The delivery of a signed event over plain HTTP.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Stripe gives an endpoint longer; a local one that takes this long is stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why an event could not be delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The address is not of the form that the sandbox can reach.
    #[error("cannot deliver to {0:?}: give an address of the form http://HOST:PORT/PATH")]
    Address(String),
    /// The endpoint could not be reached, or hung up.
    #[error("cannot deliver to {url}: {source}; is the endpoint up?")]
    Io {
        /// Where to.
        url: String,
        /// What the socket said.
        source: std::io::Error,
    },
    /// What came back is not HTTP.
    #[error("{0} did not answer in HTTP")]
    Answer(String),
}

/// Posts a signed body; gives the endpoint's HTTP status.
pub(crate) async fn deliver(url: &str, signature: &str, body: &str) -> Result<u16, DeliveryError> {
    let (host, path) = split(url).ok_or_else(|| DeliveryError::Address(url.to_owned()))?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\n\
         User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n\
         Stripe-Signature: {signature}\r\n\r\n{body}",
        body.len()
    );
    let answer = timeout(PATIENCE, post(host, request.as_bytes()))
        .await
        .map_err(|_elapsed| std::io::ErrorKind::TimedOut.into())
        .and_then(|result| result)
        .map_err(|source| DeliveryError::Io { url: url.to_owned(), source })?;
    status(&answer).ok_or_else(|| DeliveryError::Answer(url.to_owned()))
}

async fn post(host: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Host with port, and path.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    (host.contains(':') && !url.contains(['\r', '\n', ' '])).then_some((host, path))
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_with_a_port_can_be_delivered_to() {
        assert_eq!(split("http://127.0.0.1:80/hook?a=b"), Some(("127.0.0.1:80", "/hook?a=b")));
        assert_eq!(split("http://127.0.0.1:80"), Some(("127.0.0.1:80", "/")));
        assert_eq!(split("https://127.0.0.1:80/"), None);
        assert_eq!(split("http://127.0.0.1/"), None);
    }
}

//! Stripe's signature, and the delivery of a signed event over plain HTTP.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
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

/// The `Stripe-Signature` header for a body: HMAC-SHA256 over `{timestamp}.{body}`, keyed with the
/// endpoint's whole secret. `timestamp` is in seconds since 1970.
pub fn signature(secret: &str, timestamp: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length; the error exists for other algorithms.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={timestamp},v1={}", hex::encode(mac.finalize().into_bytes()))
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
    fn the_signature_covers_time_and_body() {
        // Computed with: printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_a
        let expected =
            "t=1700000000,v1=97ea69f91fd566038386bacf87292eb0d73a8207414ee62ed313d49996fe0639";
        assert_eq!(signature("whsec_a", 1_700_000_000, br#"{"id":"evt_1"}"#), expected);
    }

    #[test]
    fn only_plain_http_with_a_port_can_be_delivered_to() {
        assert_eq!(split("http://127.0.0.1:80/hook?a=b"), Some(("127.0.0.1:80", "/hook?a=b")));
        assert_eq!(split("http://127.0.0.1:80"), Some(("127.0.0.1:80", "/")));
        assert_eq!(split("https://127.0.0.1:80/"), None);
        assert_eq!(split("http://127.0.0.1/"), None);
    }
}

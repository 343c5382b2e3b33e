//! The events: of the size and shape of Stripe's, each with an id of its own, rendered and signed before the clock runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What both servers know Stripe by.
pub(crate) const SECRET: &str = "whsec_2Nf8LkPqZxWvTm5RbYcHdJgSaEuVoKi";

/// The path of the webhook.
pub(crate) const PATH: &str = "/webhooks/stripe";

const EVENT: &str = include_str!("../event.json");

/// Where the id stands in the event, behind `evt_`.
const PLACE: &str = "EVENT";

/// Requests in the pieces that the load's script puts together; removed when dropped.
#[derive(Debug)]
pub(crate) struct Prepared {
    folder: PathBuf,
}

impl Prepared {
    /// Renders and signs so many events, at this time (Unix seconds).
    pub(crate) fn new(events: u64, time: i64) -> io::Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("autopilot-webhook-load-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let prepared = Self { folder };
        let (before_id, after_id) =
            EVENT.split_once(PLACE).ok_or_else(|| io::Error::other("the event has no id"))?;
        let mut signed = String::new();
        let mut length = 0;
        for number in 0..events {
            let id = format!("{number:024}");
            let body = format!("{before_id}{id}{after_id}");
            length = body.len();
            signed.push_str(&hex::encode(sign(&time.to_string(), body.as_bytes())));
            signed.push_str(&id);
        }
        let before = format!(
            "POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\nContent-Type: application/json; charset=utf-8\r\n\
             User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nContent-Length: {length}\r\n\
             Stripe-Signature: t={time},v1="
        );
        prepared.write("before", &before)?;
        prepared.write("between", &format!("\r\n\r\n{before_id}"))?;
        prepared.write("after", after_id)?;
        prepared.write("signed", &signed)?;
        Ok(prepared)
    }

    /// Where the pieces are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.folder.join(name), text)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Stripe's signature of a body.
pub(crate) fn sign(time: &str, body: &[u8]) -> [u8; 32] {
    mac(time, body).finalize().into_bytes().into()
}

/// The MAC of a body, to be finished or compared.
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub(crate) fn mac(time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_make_events_that_differ_by_id_and_are_signed() {
        let prepared = Prepared::new(2, 1_763_712_000).unwrap();
        let read = |name: &str| fs::read_to_string(prepared.folder().join(name)).unwrap();
        let (head, start) = (read("before"), read("between"));
        let signed = read("signed");
        let (signature, id) = signed[64 + 24..].split_at(64);
        let body = format!("{}{id}{}", start.trim_start(), read("after"));
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert_eq!(signature, hex::encode(sign("1763712000", body.as_bytes())));
        let event: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(event["id"], "evt_000000000000000000000001");
        assert!((1_400..1_800).contains(&body.len()), "{}", body.len());
    }
}

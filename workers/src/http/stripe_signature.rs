//! Stripe's webhook signature: HMAC-SHA256 over `"{t}.{body}"`, with the bytes of the body as they arrived.
//!
//! While a secret is being rolled Stripe signs with the old and the new one, so any of our secrets may match any
//! of the header's `v1`. Other schemes do not count. The time in the header may be off by [`TOLERANCE`] either
//! way; what keeps an event from being taken twice within it is the inbox's unique key.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// How far the signed time may be from ours, before or after.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(300);

/// The name of the header, as HTTP libraries spell it.
pub(crate) const HEADER: &str = "stripe-signature";

/// Why a webhook was not believed. None of these says which secret was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is no such header.
    #[error("the request has no Stripe-Signature header")]
    Missing,
    /// The header is not `t=…,v1=…`.
    #[error("the Stripe-Signature header cannot be read: {0}")]
    Malformed(&'static str),
    /// The signature is right, but made too long ago, or in the future (a negative age).
    #[error("the signature is {age} s old, more than {} s either way; check both clocks", TOLERANCE.as_secs())]
    Stale {
        /// Seconds since it was made.
        age: i64,
    },
    /// No secret makes this signature of this body.
    #[error("the signature does not match; check that STRIPE_WEBHOOK_SECRET is this endpoint's")]
    Mismatch,
}

/// Believes a webhook if one of the secrets signed it within [`TOLERANCE`] of `now` (Unix seconds).
///
/// # Errors
///
/// Why it is not believed. The time is judged last, so that only a signer learns of it.
pub(crate) fn verify(
    header: Option<&str>,
    body: &[u8],
    secrets: &[SecretString],
    now: i64,
) -> Result<(), SignatureError> {
    let header = Header::parse(header.ok_or(SignatureError::Missing)?)?;
    let mut matched = false;
    for secret in secrets {
        let mac = mac(secret, header.time, body);
        for signature in &header.signatures {
            // No early exit: the time taken does not say which of the secrets it was.
            matched |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !matched {
        return Err(SignatureError::Mismatch);
    }
    let signed: i64 = header.time.parse().map_err(|_too_large| BAD_TIME)?;
    let age = now.saturating_sub(signed);
    if age.unsigned_abs() > TOLERANCE.as_secs() {
        return Err(SignatureError::Stale { age });
    }
    Ok(())
}

/// The header that Stripe would send with this body: one `v1` for each secret.
#[cfg(test)]
pub(crate) fn sign(body: &[u8], secrets: &[SecretString], time: i64) -> String {
    let time = time.to_string();
    let signatures = secrets.iter().map(|secret| {
        let signature = mac(secret, &time, body).finalize().into_bytes();
        format!(",v1={}", hex::encode(signature))
    });
    format!("t={time}{}", signatures.collect::<String>())
}

const BAD_TIME: SignatureError = SignatureError::Malformed("t is not a number of seconds");

/// The parts of the header that count.
struct Header<'a> {
    /// As it was written, for that is what was signed.
    time: &'a str,
    signatures: Vec<[u8; 32]>,
}

impl<'a> Header<'a> {
    fn parse(header: &'a str) -> Result<Self, SignatureError> {
        let mut time = None;
        let mut signatures = Vec::new();
        for part in header.split(',') {
            let Some((name, value)) = part.trim().split_once('=') else {
                return Err(SignatureError::Malformed("a part has no `=`"));
            };
            match name {
                "t" if time.is_some() => {
                    return Err(SignatureError::Malformed("t is there twice"));
                }
                "t" => time = Some(value),
                "v1" => signatures.push(signature(value)?),
                _another_scheme => {}
            }
        }
        let time = time.ok_or(SignatureError::Malformed("t is missing"))?;
        if time.is_empty() || !time.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BAD_TIME);
        }
        if signatures.is_empty() {
            return Err(SignatureError::Malformed("v1 is missing"));
        }
        Ok(Self { time, signatures })
    }
}

fn signature(text: &str) -> Result<[u8; 32], SignatureError> {
    let mut bytes = [0; 32];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_not_hex) => Err(SignatureError::Malformed("v1 is not 64 hexadecimal digits")),
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn mac(secret: &SecretString, time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes keys of every length");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests;

//! Twilio's webhook signature: HMAC-SHA1 with the account's primary token over the address as Twilio was told it, followed
//! for a form by its parameters, sorted, each name and value without anything between.
//!
//! A parameter that comes twice with the same value counts once. Some of Twilio's requests are signed with the port in the
//! address and some without, so either counts. Where the body is no form its SHA-256 stands in the address, as `bodySHA256`,
//! and nothing else of it is signed.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

/// The name of the header, as HTTP libraries spell it.
pub(crate) const HEADER: &str = "x-twilio-signature";

/// The parameter of the address that vouches for a body that is no form.
const BODY_HASH: &str = "bodySHA256";

/// Why a webhook was not believed. None of these says which token was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// There is no such header.
    #[error("the request has no X-Twilio-Signature header")]
    Missing,
    /// The body is not the one that the address vouches for.
    #[error("the body is not the one whose hash stands in the address")]
    OtherBody,
    /// Nothing vouches for the body: it is no form, and its hash does not stand in the address.
    #[error("the body is no form, and the address has no bodySHA256 that vouches for it")]
    UnsignedBody,
    /// No token makes this signature.
    #[error(
        "the signature does not match; check that provisioning.public_base_url is the address that Twilio was told, and that \
         the token is the account's primary one"
    )]
    Mismatch,
}

/// What Twilio asked for: the address in full, with its query, and what came with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// `https://studio.example/webhooks/twilio/sms?workspace=1`, as it stands with Twilio.
    pub(crate) address: &'a str,
    pub(crate) body: &'a [u8],
    /// Whether the body is a form.
    pub(crate) is_form: bool,
}

/// Believes a webhook if one of the tokens signed it.
///
/// # Errors
///
/// Why it is not believed.
pub(crate) fn verify(
    header: Option<&str>,
    asked: Asked<'_>,
    tokens: &[SecretString],
) -> Result<(), SignatureError> {
    let signature = header.ok_or(SignatureError::Missing)?;
    let parameters = match body_hash(asked.address) {
        // Whatever the type says: what is signed with its hash is signed without parameters.
        Some(hash) => {
            let own = hex::encode(Sha256::digest(asked.body));
            if !bool::from(own.as_bytes().ct_eq(hash.to_ascii_lowercase().as_bytes())) {
                return Err(SignatureError::OtherBody);
            }
            String::new()
        }
        None if asked.is_form => signed_parameters(asked.body),
        None => return Err(SignatureError::UnsignedBody),
    };
    let (with, without) = (with_port(asked.address), without_port(asked.address));
    let mut matched = false;
    for token in tokens {
        for address in [&with, &without] {
            let own = STANDARD.encode(mac(token, address, &parameters));
            // No early exit: the time taken does not say which of the tokens it was.
            matched |= bool::from(own.as_bytes().ct_eq(signature.as_bytes()));
        }
    }
    if matched { Ok(()) } else { Err(SignatureError::Mismatch) }
}

fn signed_parameters(form: &[u8]) -> String {
    let pairs: BTreeSet<_> = form_urlencoded::parse(form).collect();
    pairs.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]).collect()
}

fn body_hash(address: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, value)| (name == BODY_HASH).then(|| value.into_owned()))
}

/// Scheme, host with port, and the rest. Nothing is written in another way: it is what was signed.
fn parts(address: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at_checked(end)?;
    Some((scheme, host, rest))
}

/// The port of a host, which may be an IPv6 address in brackets.
fn port(host: &str) -> Option<&str> {
    let (_, port) = host.rsplit_once(':')?;
    (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
}

fn with_port(address: &str) -> String {
    match parts(address) {
        Some((scheme, host, rest)) if port(host).is_none() => {
            let port = if scheme == "http" { 80 } else { 443 };
            format!("{scheme}://{host}:{port}{rest}")
        }
        _ => address.to_owned(),
    }
}

fn without_port(address: &str) -> String {
    match parts(address).and_then(|(scheme, host, rest)| Some((scheme, host, rest, port(host)?))) {
        Some((scheme, host, rest, port)) => {
            let host = host.strip_suffix(port).unwrap_or(host).trim_end_matches(':');
            format!("{scheme}://{host}{rest}")
        }
        None => address.to_owned(),
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
fn mac(token: &SecretString, address: &str, parameters: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(token.expose_secret().as_bytes())
        .expect("HMAC takes keys of every length");
    mac.update(address.as_bytes());
    mac.update(parameters.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

//! The signatures of webhooks, as each provider makes them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// The `Stripe-Signature` header of a body: HMAC-SHA256 over `{timestamp}.{body}`, with the endpoint's whole secret. `timestamp`
/// is in seconds since 1970.
pub fn stripe(secret: &str, timestamp: i64, body: &[u8]) -> String {
    let signed = [timestamp.to_string().as_bytes(), b".", body].concat();
    format!("t={timestamp},v1={}", hex::encode(mac::<Hmac<Sha256>>(secret, &signed)))
}

/// The `X-Twilio-Signature` header of a form.
///
/// HMAC-SHA1, with the token of the account that it is about, over the address in full and each parameter's name and value, sorted, the
/// same one once. Without parameters it is that of JSON, whose hash stands in the address.
pub fn twilio(token: &str, address: &str, parameters: &[(&str, &str)]) -> String {
    let sorted: BTreeSet<_> = parameters.iter().collect();
    let mut signed = address.to_owned();
    for (name, value) in sorted {
        signed.extend([*name, *value]);
    }
    STANDARD.encode(mac::<Hmac<Sha1>>(token, signed.as_bytes()))
}

/// The `X-Hub-Signature-256` header of a body: HMAC-SHA256 with the app's secret.
pub fn whatsapp(secret: &str, body: &[u8]) -> String {
    format!("sha256={}", hex::encode(mac::<Hmac<Sha256>>(secret, body)))
}

fn mac<M: Mac + KeyInit>(secret: &str, signed: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length; the error exists for other algorithms.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(secret.as_bytes()) else {
        return Vec::new();
    };
    mac.update(signed);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_covers_time_and_body() {
        // Computed with: printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_a
        let expected =
            "t=1700000000,v1=97ea69f91fd566038386bacf87292eb0d73a8207414ee62ed313d49996fe0639";
        assert_eq!(stripe("whsec_a", 1_700_000_000, br#"{"id":"evt_1"}"#), expected);
    }

    #[test]
    fn a_form_is_signed_sorted_and_each_pair_once() {
        // Computed with: printf 'https://studio.example/smsBodyhiMediaaMediab' | openssl dgst -sha1 -hmac token -binary | base64
        let expected = "uoifRhBdBAAVpx1ICf2quxIV0Yk=";
        let form = [("Media", "b"), ("Body", "hi"), ("Media", "a"), ("Media", "b")];
        assert_eq!(twilio("token", "https://studio.example/sms", &form), expected);
    }
}

//! The forms in which a secret may be written.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// A secret, and what it looks like as it is, in hexadecimal digits and within anything in Base64.
pub(super) struct Canary {
    pub(super) name: String,
    forms: Vec<String>,
}

impl Canary {
    /// Of an encryption key the key itself, without the id that stands before it.
    pub(super) fn new(name: &str, value: &str) -> Self {
        let secret = if name == "ENCRYPTION_KEY" {
            value.split_once(':').map_or(value, |(_, key)| key)
        } else {
            value
        };
        let mut forms = vec![secret.to_owned(), hex::encode(secret)];
        forms.extend((0..3).map(|before| within_base64(secret, before)));
        if let Ok(bytes) = BASE64_STANDARD_NO_PAD.decode(secret.trim_end_matches('=')) {
            forms.push(hex::encode(bytes));
        }
        Self { name: name.to_owned(), forms }
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }
}

/// What is the same of it in Base64 whatever stands around it, with so many bytes before it, by threes.
fn within_base64(secret: &str, before: usize) -> String {
    let bytes = [&vec![0; before], secret.as_bytes()].concat();
    let text = BASE64_STANDARD_NO_PAD.encode(&bytes);
    let (begin, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    text.get(begin..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn a_secret_is_seen_in_every_form_and_wherever_it_stands() {
        let canary = Canary::new("it", "a-secret-of-some-length");
        for around in ["", "x", "xy", "xyz"] {
            let text = format!("{around}a-secret-of-some-length{around}");
            assert!(canary.is_in(&text));
            assert!(canary.is_in(&hex::encode(&text)));
            assert!(canary.is_in(&format!("Basic {}", BASE64_STANDARD.encode(&text))), "{around}");
        }
        assert!(!canary.is_in("a-secret-of-some-lengt"));
        let key = Canary::new("ENCRYPTION_KEY", "k1:AAECAwQFBgcICQoLDA0ODw==");
        assert!(key.is_in("the key is 000102030405060708090a0b0c0d0e0f"));
        assert!(!key.is_in("the key is k1"));
    }
}

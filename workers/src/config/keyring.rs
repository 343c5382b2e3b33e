//! The shape of ENCRYPTION_KEY: `id:key` pairs, checked before anything is sealed with them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

/// The way to a right key, for messages.
pub(crate) const HOW: &str = "write k1:KEY, where KEY is what `openssl rand -base64 32` prints";

/// What is wrong with the pairs, one sentence each. Keys are told by their place, never by their characters.
pub(crate) fn check(pairs: &[SecretString]) -> Vec<String> {
    let mut ids = BTreeSet::new();
    let mut wrong = Vec::new();
    for (place, pair) in (1..).zip(pairs) {
        match id(pair.expose_secret()) {
            Err(what) => wrong.push(format!("pair {place} {what}")),
            Ok(id) if !ids.insert(id) => {
                wrong.push(format!("pair {place} has the id of an earlier pair; ids are unique"));
            }
            Ok(_new) => {}
        }
    }
    wrong
}

/// The id of a pair that is right.
fn id(pair: &str) -> Result<&str, &'static str> {
    let Some((id, key)) = pair.split_once(':') else {
        return Err("has no id before a colon");
    };
    if id.is_empty() || id.len() > 32 || !id.bytes().all(is_id) {
        return Err("has an id that is not 1 to 32 of a-z, 0-9, - and _");
    }
    let Ok(bytes) = STANDARD.decode(key).map(Zeroizing::new) else {
        return Err("has a key that is not base64");
    };
    if bytes.len() != 32 {
        return Err("has a key that is not 32 bytes long");
    }
    // A key of one repeated byte is an example or a placeholder, not a key.
    if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
        return Err("has a key that repeats one byte, as examples do");
    }
    Ok(id)
}

const fn is_id(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn wrong(pairs: &[&str]) -> Vec<String> {
        check(&pairs.iter().map(|pair| SecretString::from(*pair)).collect::<Vec<_>>())
    }

    #[test]
    fn pairs_with_ids_of_their_own_are_right() {
        assert!(wrong(&[&format!("k2:{KEY}"), &format!("k-1_old:{KEY}")]).is_empty());
    }

    #[test]
    fn a_wrong_pair_is_told_by_its_place() {
        let table = [
            (KEY.to_owned(), "pair 1 has no id before a colon"),
            (format!(":{KEY}"), "pair 1 has an id that is not 1 to 32 of a-z, 0-9, - and _"),
            (format!("K1:{KEY}"), "pair 1 has an id that is not 1 to 32 of a-z, 0-9, - and _"),
            ("k1:correct horse".to_owned(), "pair 1 has a key that is not base64"),
            ("k1:c2hvcnQ=".to_owned(), "pair 1 has a key that is not 32 bytes long"),
            (
                format!("k1:{}=", "A".repeat(43)),
                "pair 1 has a key that repeats one byte, as examples do",
            ),
        ];
        for (pair, error) in table {
            assert_eq!(wrong(&[&pair]), [error], "{pair}");
        }
    }

    #[test]
    fn two_pairs_do_not_share_an_id() {
        let pair = format!("k1:{KEY}");
        assert_eq!(
            wrong(&[&pair, &pair]),
            ["pair 2 has the id of an earlier pair; ids are unique"]
        );
    }
}

//! The operator's keys, as they stand in `ENCRYPTION_KEY`.

use std::fmt;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::key::Key;

/// Why `ENCRYPTION_KEY` was refused. It names the entry by its id or position, never by its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is no key at all.
    #[error(
        "ENCRYPTION_KEY is empty: set it to `<id>:<key>`, the key made by `openssl rand -base64 32`"
    )]
    Empty,
    /// A key without an id.
    #[error(
        "ENCRYPTION_KEY: entry {position} is a key without an id: write `<id>:<key>`, for example \
         `k1:<key>`; rows name the id of their key, so that it can be changed later"
    )]
    NoId {
        /// Which entry, counted from 1.
        position: usize,
    },
    /// Neither an id nor a key.
    #[error(
        "ENCRYPTION_KEY: entry {position} is not `<id>:<key>`: separate entries by commas or spaces, \
         and make a key with `openssl rand -base64 32`"
    )]
    NotAPair {
        /// Which entry, counted from 1.
        position: usize,
    },
    /// The id has other characters than allowed, or is too long.
    #[error(
        "ENCRYPTION_KEY: the id of entry {position} must be 1 to 32 characters of a-z, 0-9, `_` and `-`"
    )]
    BadId {
        /// Which entry, counted from 1.
        position: usize,
    },
    /// Two entries have the same id.
    #[error(
        "ENCRYPTION_KEY: the id `{id}` stands twice: give every key its own id, never used before"
    )]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// The key is not 32 encoded bytes.
    #[error(
        "ENCRYPTION_KEY: key `{id}` is not 32 bytes in base64 or 64 hex digits (a passphrase is not a \
         key): make one with `openssl rand -base64 32`"
    )]
    NotAKey {
        /// The id.
        id: String,
    },
    /// The key has the right length, but nobody drew it at random.
    #[error(
        "ENCRYPTION_KEY: key `{id}` is not random (zeros, a pattern, an example or readable text): make \
         one with `openssl rand -base64 32`"
    )]
    NotRandom {
        /// The id.
        id: String,
    },
}

/// The keys that wrap the workspaces' data keys. The first one writes, all of them read.
pub struct Keyring {
    primary: Entry,
    others: Vec<Entry>,
}

/// One key and the id by which rows know it.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) key: Key,
}

impl Keyring {
    /// Reads `id:key` pairs, separated by commas or whitespace; the first one writes.
    ///
    /// An id is 1 to 32 characters of `a-z`, `0-9`, `_` and `-`. A key is exactly 32 random bytes, as base64
    /// (standard or URL-safe, padded or not) or as 64 hex digits.
    ///
    /// # Errors
    /// Anything else, and keys that are obviously not random.
    pub fn parse(text: &SecretString) -> Result<Self, KeyringError> {
        let mut entries: Vec<Entry> = Vec::new();
        let words = text.expose_secret().split(|c: char| c == ',' || c.is_whitespace());
        for (word, position) in words.filter(|word| !word.is_empty()).zip(1..) {
            let entry = Entry::parse(word, position)?;
            if entries.iter().any(|other| other.id == entry.id) {
                return Err(KeyringError::DuplicateId { id: entry.id });
            }
            entries.push(entry);
        }
        let mut entries = entries.into_iter();
        let primary = entries.next().ok_or(KeyringError::Empty)?;
        Ok(Self { primary, others: entries.collect() })
    }

    /// The key that writes.
    pub(super) fn primary(&self) -> &Entry {
        &self.primary
    }

    /// The key of that id.
    pub(super) fn get(&self, id: &str) -> Option<&Key> {
        self.iter().find(|entry| entry.id == id).map(|entry| &entry.key)
    }

    /// All keys, the one that writes first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        std::iter::once(&self.primary).chain(&self.others)
    }

    /// All ids, for statements.
    pub(super) fn ids(&self) -> Vec<String> {
        self.iter().map(|entry| entry.id.clone()).collect()
    }
}

/// Shows the ids only.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.ids()).finish()
    }
}

impl Entry {
    fn parse(word: &str, position: usize) -> Result<Self, KeyringError> {
        let Some((id, key)) = word.split_once(':') else {
            return Err(match decode(word).as_deref().and_then(|bytes| Key::from_bytes(bytes)) {
                Some(_) => KeyringError::NoId { position },
                None => KeyringError::NotAPair { position },
            });
        };
        if !is_id(id) {
            return Err(KeyringError::BadId { position });
        }
        let id = id.to_owned();
        let Some(key) = decode(key).as_deref().and_then(|bytes| Key::from_bytes(bytes)) else {
            return Err(KeyringError::NotAKey { id });
        };
        if is_predictable(key.expose()) {
            return Err(KeyringError::NotRandom { id });
        }
        Ok(Self { id, key })
    }
}

fn is_id(id: &str) -> bool {
    (1..=32).contains(&id.len())
        && id.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // As base64, 64 hex digits would be 48 bytes: no key is both.
    let hex = text.len() == 2 * Key::BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
    let bytes = if hex { decode_hex(text) } else { decode_base64(text) };
    bytes.map(Zeroizing::new)
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

/// Whether nobody drew these bytes at random. A random key passes for that once in 10^13.
fn is_predictable(key: &[u8; Key::BYTES]) -> bool {
    let readable = key.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    // Zeros, one byte repeated, 00 01 02 …: always the same distance.
    let mut distances = key.iter().zip(key.iter().skip(1)).map(|(a, b)| b.wrapping_sub(*a));
    let first = distances.next();
    let counted = distances.all(|distance| Some(distance) == first);
    let (left, right) = key.split_at(Key::BYTES / 2);
    readable || counted || left == right
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "7ImH6JLCrDCP0HOMXqsO8xPN7JCfsSZ6jjS6/j+XZR0=";
    const B: &str = "d1c1dd0ffc97b60ad1b6a45c1e1b46ba5c68c31e0c9f1f3c7c8a33a4e1f7b2d9";

    fn parse(text: &str) -> Result<Keyring, KeyringError> {
        Keyring::parse(&text.into())
    }

    fn refused(text: &str) -> KeyringError {
        parse(text).expect_err("a refusal")
    }

    #[test]
    fn pairs_are_read_in_order_and_the_first_one_writes() {
        for separator in [",", " ", "\n", " , "] {
            let ring = parse(&format!("k2:{A}{separator}k1:{B}")).expect("a keyring");
            assert_eq!(ring.ids(), ["k2", "k1"]);
            assert_eq!(ring.primary().id, "k2");
        }
    }

    #[test]
    fn every_usual_spelling_of_a_key_is_the_same_key() {
        let url_safe = A.replace('/', "_").replace('+', "-");
        let bare = A.trim_end_matches('=');
        let ring = parse(&format!("a:{A} b:{url_safe} c:{bare} d:{B} e:{}", B.to_uppercase()))
            .expect("a keyring");
        let key = |id| ring.get(id).expect("the key").expose();
        assert_eq!(key("a"), key("b"));
        assert_eq!(key("a"), key("c"));
        assert_eq!(key("d"), key("e"));
        assert_eq!(key("d").first_chunk(), Some(&[0xd1, 0xc1, 0xdd, 0x0f]));
    }

    #[test]
    fn an_empty_variable_is_refused() {
        assert_eq!(refused(" ,\n"), KeyringError::Empty);
    }

    #[test]
    fn a_key_without_an_id_is_told_apart_from_nonsense() {
        assert_eq!(refused(A), KeyringError::NoId { position: 1 });
        assert_eq!(refused(&format!("k1:{A} secret")), KeyringError::NotAPair { position: 2 });
    }

    #[test]
    fn bad_and_duplicate_ids_are_refused() {
        let long = "x".repeat(33);
        for id in ["", "K1", "ä", "a.b", long.as_str()] {
            assert_eq!(refused(&format!("{id}:{A}")), KeyringError::BadId { position: 1 }, "{id}");
        }
        assert_eq!(
            refused(&format!("k1:{A} k1:{B}")),
            KeyringError::DuplicateId { id: "k1".to_owned() }
        );
    }

    #[test]
    fn passphrases_and_keys_of_another_length_are_refused() {
        let short = "7ImH6JLCrDCP0HOMXqsO8w==";
        for key in ["", "correct-horse-battery-staple", short, &B[..62], &format!("{A}{A}")] {
            let refused = refused(&format!("k1:{key}"));
            assert_eq!(refused, KeyringError::NotAKey { id: "k1".to_owned() }, "{key}");
        }
    }

    #[test]
    fn keys_that_nobody_drew_at_random_are_refused() {
        let counted: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
        let text: String = b"correct horse battery staple ok!".map(|b| format!("{b:02x}")).concat();
        for key in ["00".repeat(32), "ab".repeat(32), "0123456789abcdef".repeat(4), counted, text] {
            let refused = refused(&format!("k1:{key}"));
            assert_eq!(refused, KeyringError::NotRandom { id: "k1".to_owned() }, "{key}");
        }
    }

    #[test]
    fn no_error_and_no_debug_text_shows_a_key() {
        let texts = [
            refused(A).to_string(),
            refused(&format!("k1:{A} k1:{B}")).to_string(),
            refused(&format!("K1:{A}")).to_string(),
            refused("k1:hunter2").to_string(),
            format!("{:?}", parse(&format!("k1:{A}")).expect("a keyring")),
        ];
        for text in texts {
            assert!(!text.contains(A) && !text.contains("hunter2"), "{text}");
        }
    }
}

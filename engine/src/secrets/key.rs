//! A 256-bit key and the one cipher it is used with: AES-256-GCM under random nonces.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

/// Bytes of the nonce that stands before every ciphertext.
const NONCE: usize = 12;

/// A key. It lives on the heap, is wiped when dropped, and has no `Debug`.
pub(super) struct Key(SecretBox<[u8; Self::BYTES]>);

/// Why sealing failed; opening fails for one reason only and says so by `None`.
pub(super) enum SealError {
    /// The operating system gave no randomness.
    Randomness(getrandom::Error),
    /// The plaintext is longer than the cipher allows (64 GiB).
    TooLong,
}

impl Key {
    /// The length of a key.
    pub(super) const BYTES: usize = 32;

    /// A new random key.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut filled = Ok(());
        let key = SecretBox::init_with_mut(|bytes: &mut [u8; Self::BYTES]| {
            filled = getrandom::fill(bytes);
        });
        filled.map(|()| Self(key))
    }

    /// The key that `bytes` are, or `None` if they are not exactly 32.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        Some(Self(SecretBox::init_with_mut(|key: &mut [u8; Self::BYTES]| {
            key.copy_from_slice(bytes);
        })))
    }

    /// The bytes themselves, to be wrapped by another key.
    pub(super) fn expose(&self) -> &[u8; Self::BYTES] {
        self.0.expose_secret()
    }

    /// Seals `plaintext`: `nonce(12) | ciphertext | tag(16)`.
    pub(super) fn seal(&self, associated: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(SealError::Randomness)?;
        let payload = Payload { msg: plaintext, aad: associated };
        let sealed = Aes256Gcm::new(self.expose().into())
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|aes_gcm::Error| SealError::TooLong)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Key::seal`] made under the same associated data; `None` for anything else.
    pub(super) fn open(&self, associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: associated };
        Aes256Gcm::new(self.expose().into())
            .decrypt(&Nonce::from(*nonce), payload)
            .ok()
            .map(Zeroizing::new)
    }
}

/// Associated data: each part after its length, so that no two lists of parts read the same.
pub(super) fn associated_data(parts: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::new();
    for part in parts {
        data.extend((part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}

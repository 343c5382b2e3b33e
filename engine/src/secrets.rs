//! Secrets at rest: sealed with a key per workspace, which the operator's keyring wraps (envelope encryption).
//!
//! ```text
//! ENCRYPTION_KEY ── Keyring ──wraps──▶ data key (one a workspace, engine.data_key) ──seals──▶ a column of a row
//! ```
//!
//! A sealed value opens only at its own [`Place`]: moved to another workspace, table, column or row it is refused.
//! The database holds nothing that opens it, so a dump discloses no secret. Destroying a workspace's data key
//! ([`Vault::erase`]) destroys all that it sealed.
//!
//! Changing the key without downtime: 1. append the new pair to the keyring of every process; 2. put it first;
//! 3. [`Vault::rewrap`], `autopilot keys rewrap`; 4. drop the old pair. A process that lacks a key which rows still need
//! refuses to start.

mod cache;
mod check;
mod data_key;
mod error;
#[cfg(test)]
mod fuzz;
mod key;
mod keyring;
mod place;
mod rewrap;
#[cfg(test)]
mod tests;
mod uses;
mod vault;

pub use error::VaultError;
pub(crate) use error::no_keyring;
pub use keyring::{Keyring, KeyringError};
pub use place::Place;
pub use uses::KeyUse;
pub use vault::Vault;

/// The version of every format here: of sealed values, of wrapped keys and of check values.
const VERSION: u8 = 1;

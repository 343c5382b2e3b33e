//! What can be asked of the keys that seal credentials.

use clap::Subcommand;

/// To change the key: 1. append the new pair to ENCRYPTION_KEY of every process, and restart them; 2. put it first, and restart them;
/// 3. `keys rewrap`; 4. drop the old pair, and restart them. A process that lacks a key which is still needed refuses to start.
#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// The keys of ENCRYPTION_KEY in their order, and how many studios' credentials need each.
    List,
    /// Wrap what any other key wraps with the first one. Credentials are not sealed anew, and whoever reads them is not held up.
    Rewrap,
}

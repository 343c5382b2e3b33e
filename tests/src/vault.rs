//! What seals secrets in a test.

use autopilot_engine::PgPool;
use autopilot_engine::secrets::{Keyring, Vault};

/// A vault on this database with a keyring of one key, the same in every test.
///
/// # Panics
/// When the database cannot be asked, or knows another key under that id.
pub async fn vault(pool: &PgPool) -> Vault {
    let keyring = "test:MuApZfODMzrbToUR2qtxmJmc+S+mY5+AfgM+ACmSMcI=".into();
    let keyring = Keyring::parse(&keyring).expect("the keyring is one");
    Vault::open(pool, keyring).await.expect("the vault opens")
}

//! Keyrings and sealed values that are almost right.

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Keyring, Place, Vault};
use crate::WorkspaceId;
use crate::testing::{Edit, TestDatabase, mangled};

const KEY: &str = "7ImH6JLCrDCP0HOMXqsO8xPN7JCfsSZ6jjS6/j+XZR0=";

proptest! {
    #[test]
    fn no_keyring_makes_it_panic_or_tell_a_key(edits in proptest::collection::vec(any::<Edit>(), 0..=6)) {
        let sample = format!("k1:{KEY},k2:{KEY}");
        let text = mangled(sample.as_bytes(), &edits);
        let text = String::from_utf8_lossy(&text).into_owned();
        if let Err(error) = Keyring::parse(&text.as_str().into()) {
            let told = error.to_string();
            let parts = KEY.as_bytes().windows(8).filter_map(|part| std::str::from_utf8(part).ok());
            for part in parts {
                prop_assert!(!told.contains(part), "{told}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sealed_value_makes_it_panic_or_opens_once_it_is_changed() {
    let db = TestDatabase::create(&[&crate::MIGRATOR]).await;
    let keyring = Keyring::parse(&format!("k1:{KEY}").into()).unwrap();
    let vault = Vault::open(db.pool(), keyring).await.unwrap();
    let workspace = WorkspaceId::now_v7();
    let place = Place { workspace, table: "t", column: "c", row: Cow::Borrowed("r") };
    let sealed = vault.seal(&place, b"a secret that nobody is told").await.unwrap();
    let cases = Config::default().cases.min(2_000);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&proptest::collection::vec(any::<Edit>(), 1..6), |edits| {
            let changed = mangled(&sealed, &edits);
            let opened = runtime.block_on(vault.unseal(&place, &changed));
            match opened {
                Ok(text) => {
                    prop_assert!(changed == sealed, "{changed:?} opens to {} bytes", text.len())
                }
                Err(error) => prop_assert!(!error.to_string().contains("nobody is told")),
            }
            Ok(())
        })
    });
    outcome.unwrap();
    db.close().await;
}

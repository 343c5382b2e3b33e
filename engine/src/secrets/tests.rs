//! The vault against a real database.

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::migrate::Migrator;

use super::key::{Key, associated_data};
use super::{Keyring, Place, Vault, VaultError};
use crate::WorkspaceId;
use crate::testing::TestDatabase;

static MIGRATOR: Migrator = sqlx::migrate!("../migrations/engine");

const A: &str = "k1:7ImH6JLCrDCP0HOMXqsO8xPN7JCfsSZ6jjS6/j+XZR0=";
const B: &str = "k2:0cHdD/yXtgrRtqRcHhtGulxowx4Mnx88fIozpOH3stk=";

fn ring(text: &str) -> Keyring {
    Keyring::parse(&text.into()).expect("a keyring")
}

async fn open(pool: &PgPool, text: &str) -> Result<Vault, VaultError> {
    Vault::open(pool, ring(text)).await
}

async fn vault(pool: &PgPool, text: &str) -> Vault {
    open(pool, text).await.expect("the vault opens")
}

fn place(workspace: WorkspaceId) -> Place<'static> {
    Place { workspace, table: "t", column: "c", row: Cow::Borrowed("r") }
}

/// Everything that the vault has written, in a comparable form.
async fn written(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT 'key ' || data_key::text FROM engine.data_key
         UNION ALL SELECT 'check ' || key_check::text FROM engine.key_check ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .expect("the rows")
}

#[tokio::test]
async fn a_value_opens_at_its_own_place_and_at_no_other() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let vault = vault(db.pool(), A).await;
    let workspaces = [WorkspaceId::now_v7(), WorkspaceId::now_v7()];

    // All places out of two workspaces, tables, columns and rows. The names are such that joining them without
    // their lengths would make several places read the same.
    let mut sealed = Vec::new();
    for workspace in workspaces {
        for table in ["s.a", "s.ab"] {
            for column in ["b", "bc"] {
                for row in ["c", ""] {
                    let place = Place { workspace, table, column, row: row.into() };
                    let secret = place.to_string();
                    let value = vault.seal(&place, secret.as_bytes()).await.expect("sealed");
                    sealed.push((place, secret, value));
                }
            }
        }
    }
    assert_eq!(sealed.len(), 16);
    for (from, secret, value) in &sealed {
        for (to, ..) in &sealed {
            let opened = vault.unseal(to, value).await;
            if from == to {
                assert_eq!(opened.expect("opens")[..], *secret.as_bytes());
            } else if from.workspace == to.workspace {
                assert!(matches!(opened, Err(VaultError::Tampered { .. })), "{from} at {to}");
            } else {
                assert!(matches!(opened, Err(VaultError::Erased { .. })), "{from} at {to}");
            }
        }
    }
    db.close().await;
}

/// Not even with the other workspace's data key at hand: the workspace itself is authenticated.
#[test]
fn the_workspace_the_version_and_the_data_key_are_part_of_what_is_authenticated() {
    let place = place(WorkspaceId::now_v7());
    let other = Place { workspace: WorkspaceId::now_v7(), ..place.clone() };
    let ids = [uuid::Uuid::now_v7(), uuid::Uuid::now_v7()];
    assert_ne!(place.associated_data(ids[0]), other.associated_data(ids[0]));
    assert_ne!(place.associated_data(ids[0]), place.associated_data(ids[1]));
    assert_ne!(associated_data(&[b"ab", b"c"]), associated_data(&[b"a", b"bc"]));
}

#[tokio::test]
async fn a_truncated_or_flipped_value_is_refused() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let vault = vault(db.pool(), A).await;
    let place = place(WorkspaceId::now_v7());
    let sealed = vault.seal(&place, b"secret").await.expect("sealed");
    assert_eq!(sealed.len(), 45 + b"secret".len());

    for length in 0..sealed.len() {
        assert!(vault.unseal(&place, &sealed[..length]).await.is_err(), "{length} bytes");
    }
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(vault.unseal(&place, &flipped).await.is_err(), "bit {bit}");
    }
    assert!(vault.unseal(&place, &[&sealed[..], b"x"].concat()).await.is_err(), "longer");
    assert_eq!(vault.unseal(&place, &sealed).await.expect("opens")[..], *b"secret");
    db.close().await;
}

#[test]
fn whatever_is_sealed_opens_again_and_twice_the_same_looks_different() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio");
    let db = runtime.block_on(TestDatabase::create(&[&MIGRATOR]));
    let vault = runtime.block_on(vault(db.pool(), A));
    let workspace = WorkspaceId::now_v7();
    let cases = (any::<Vec<u8>>(), any::<String>());
    TestRunner::default()
        .run(&cases, |(secret, row)| {
            let place = Place { row: row.into(), ..place(workspace) };
            runtime.block_on(async {
                let once = vault.seal(&place, &secret).await.expect("sealed");
                let twice = vault.seal(&place, &secret).await.expect("sealed");
                prop_assert_ne!(&once, &twice);
                prop_assert_eq!(&*vault.unseal(&place, &once).await.expect("opens"), &secret);
                Ok(())
            })
        })
        .expect("the property holds");
    runtime.block_on(db.close());
}

#[tokio::test]
async fn text_opens_as_text_and_bytes_that_are_none_are_refused() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let vault = vault(db.pool(), A).await;
    let place = place(WorkspaceId::now_v7());
    let text = SecretString::from("Grüße");
    let sealed = vault.seal_text(&place, &text).await.expect("sealed");
    let opened = vault.unseal_text(&place, &sealed).await.expect("opens");
    assert_eq!(opened.expose_secret(), text.expose_secret());

    let sealed = vault.seal(&place, &[0xff]).await.expect("sealed");
    let refused = vault.unseal_text(&place, &sealed).await.expect_err("not text");
    assert!(matches!(refused, VaultError::NotText { .. }));
    db.close().await;
}

#[tokio::test]
async fn a_wrong_key_is_refused_at_start_and_nothing_is_written() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let first = vault(db.pool(), A).await;
    first.seal(&place(WorkspaceId::now_v7()), b"secret").await.expect("sealed");
    let before = written(db.pool()).await;
    assert_eq!(before.len(), 2);

    let wrong = B.replace("k2:", "k1:");
    // Also as a key that only reads, and beside a new primary that would be recorded.
    for text in [wrong.clone(), format!("{B} {wrong}")] {
        let refused = open(db.pool(), &text).await.err().expect("a refusal");
        assert!(matches!(&refused, VaultError::WrongKey { id } if id == "k1"), "{refused}");
        assert_eq!(written(db.pool()).await, before);
    }
    db.close().await;
}

#[tokio::test]
async fn a_key_that_rows_need_must_not_be_missing() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let first = vault(db.pool(), A).await;
    first.seal(&place(WorkspaceId::now_v7()), b"secret").await.expect("sealed");
    let before = written(db.pool()).await;

    let refused = open(db.pool(), B).await.err().expect("a refusal");
    let VaultError::MissingKey { id, workspaces } = refused else { panic!("{refused}") };
    assert_eq!((id.as_str(), workspaces), ("k1", 1));
    assert_eq!(written(db.pool()).await, before);
    db.close().await;
}

#[tokio::test]
async fn a_rotated_key_can_be_dropped_and_its_secrets_still_open() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let old = vault(db.pool(), A).await;
    let places: Vec<_> = (0..3).map(|_| place(WorkspaceId::now_v7())).collect();
    let mut sealed = Vec::new();
    for place in &places {
        sealed.push(old.seal(place, b"secret").await.expect("sealed"));
    }

    let both = vault(db.pool(), &format!("{B},{A}")).await;
    let needs = async || {
        let uses = both.uses().await.expect("the keys are counted");
        uses.into_iter().map(|key| (key.id, key.is_primary, key.workspaces)).collect::<Vec<_>>()
    };
    assert_eq!(needs().await, [("k2".to_owned(), true, 0), ("k1".to_owned(), false, 3)]);
    assert_eq!(both.rewrap().await.expect("rewrapped"), 3);
    assert_eq!(needs().await, [("k2".to_owned(), true, 3), ("k1".to_owned(), false, 0)]);
    assert_eq!(both.rewrap().await.expect("nothing left"), 0);

    let new = vault(db.pool(), B).await;
    for (place, sealed) in places.iter().zip(&sealed) {
        assert_eq!(new.unseal(place, sealed).await.expect("opens")[..], *b"secret");
    }
    // The old key alone opens nothing any more, and says which key it lacks.
    let refused = open(db.pool(), A).await.err().expect("a refusal");
    assert!(matches!(refused, VaultError::MissingKey { id, .. } if id == "k2"));
    db.close().await;
}

#[tokio::test]
async fn an_erased_workspace_opens_nothing_and_the_others_everything() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let vault = vault(db.pool(), A).await;
    let [erased, kept] = [place(WorkspaceId::now_v7()), place(WorkspaceId::now_v7())];
    let lost = vault.seal(&erased, b"secret").await.expect("sealed");
    let safe = vault.seal(&kept, b"secret").await.expect("sealed");

    assert!(vault.erase(erased.workspace).await.expect("erased"));
    assert!(!vault.erase(erased.workspace).await.expect("nothing left"));
    let refused = vault.unseal(&erased, &lost).await.expect_err("erased");
    assert!(refused.to_string().contains("its secrets were erased"), "{refused}");
    assert_eq!(vault.unseal(&kept, &safe).await.expect("opens")[..], *b"secret");

    // A new secret makes a new key, which does not bring the old secret back.
    let anew = vault.seal(&erased, b"again").await.expect("sealed");
    assert_eq!(vault.unseal(&erased, &anew).await.expect("opens")[..], *b"again");
    assert!(vault.unseal(&erased, &lost).await.is_err());
    db.close().await;
}

#[tokio::test]
async fn processes_that_start_at_once_agree_on_one_key() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let workspace = WorkspaceId::now_v7();
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let pool = db.pool().clone();
            tokio::spawn(async move {
                let vault = vault(&pool, A).await;
                let sealed = vault.seal(&place(workspace), b"secret").await.expect("sealed");
                (vault, sealed)
            })
        })
        .collect();
    let mut started = Vec::new();
    for start in starts {
        started.push(start.await.expect("no panic"));
    }
    for (vault, _) in &started {
        for (_, sealed) in &started {
            let opened = vault.unseal(&place(workspace), sealed).await.expect("opens");
            assert_eq!(opened[..], *b"secret");
        }
    }
    assert_eq!(written(db.pool()).await.len(), 2, "one data key, one check value");
    db.close().await;
}

#[tokio::test]
async fn of_two_keys_under_one_new_id_only_one_is_accepted() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let other = B.replace("k2:", "k1:");
    let (left, right) = tokio::join!(open(db.pool(), A), open(db.pool(), &other));
    assert!(left.is_ok() != right.is_ok());
    let refused = left.err().or(right.err()).expect("a refusal");
    assert!(matches!(refused, VaultError::WrongKey { .. }), "{refused}");
    db.close().await;
}

#[tokio::test]
async fn a_data_key_copied_to_another_workspace_does_not_open() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let vault = vault(db.pool(), A).await;
    let [from, to] = [place(WorkspaceId::now_v7()), place(WorkspaceId::now_v7())];
    let sealed = vault.seal(&from, b"secret").await.expect("sealed");
    sqlx::query("INSERT INTO engine.data_key SELECT $1, id, kek, wrapped FROM engine.data_key")
        .bind(to.workspace.uuid())
        .execute(db.pool())
        .await
        .expect("copied");
    let refused = vault.unseal(&to, &sealed).await.expect_err("refused");
    assert!(matches!(refused, VaultError::DamagedKey { .. }), "{refused}");
    db.close().await;
}

/// A caller holds one of the pool's connections, the only one here, while it asks for a key.
#[tokio::test]
async fn a_full_pool_does_not_keep_the_vault_waiting() {
    let db = TestDatabase::create(&[&MIGRATOR]).await;
    let vault = vault(db.pool(), A).await;
    let mut held = Vec::new();
    for _ in 0..db.pool().options().get_max_connections() {
        held.push(db.pool().acquire().await.expect("a connection"));
    }
    vault.seal(&place(WorkspaceId::now_v7()), b"secret").await.expect("sealed");
    drop(held);
    db.close().await;
}

#[test]
fn a_key_is_the_same_one_after_a_trip_through_bytes() {
    let key = Key::random().expect("randomness");
    let same = Key::from_bytes(key.expose()).expect("32 bytes");
    let sealed = key.seal(b"here", b"secret").ok().expect("sealed");
    assert_eq!(same.open(b"here", &sealed).expect("opens")[..], *b"secret");
    assert!(same.open(b"there", &sealed).is_none());
    assert!(Key::from_bytes(&[1; 31]).is_none());
}

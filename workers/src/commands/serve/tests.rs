//! What keeps a process from starting, and that it is told before anything is written.

use autopilot_engine::testing::TestDatabase;

use super::*;

const KEY: &str = "k1:7ImH6JLCrDCP0HOMXqsO8xPN7JCfsSZ6jjS6/j+XZR0=";
const OTHER_KEY: &str = "k1:8ImH6JLCrDCP0HOMXqsO8xPN7JCfsSZ6jjS6/j+XZR0=";

fn config(settings: &[(&str, &str)]) -> Config {
    let usual = [("DATABASE_URL", "postgres://127.0.0.1/never-read")];
    let settings = usual.iter().chain(settings);
    let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(None, settings, &autopilot_workflows::app::registry()).accept().unwrap()
}

fn refused(settings: &[(&str, &str)]) -> Fail {
    match Prepared::of(&config(settings)) {
        Ok(_) => panic!("it would start"),
        Err(fail) => fail,
    }
}

#[test]
fn workers_without_a_key_are_refused_with_the_way_to_one() {
    let fail = refused(&[]);
    assert_eq!(fail.exit(), Exit::Usage);
    assert!(fail.to_string().contains("openssl rand -base64 32"), "{fail}");
}

#[test]
fn twilio_without_our_own_address_is_refused() {
    let account = format!("AC{}", "0".repeat(32));
    let twilio = [
        ("ENCRYPTION_KEY", KEY),
        ("TWILIO_ACCOUNT_SID", account.as_str()),
        ("TWILIO_AUTH_TOKEN", "t"),
    ];
    let fail = refused(&twilio);
    assert!(fail.to_string().contains("PUBLIC_BASE_URL"), "{fail}");
}

#[test]
fn what_contradicts_itself_is_refused_by_the_engine_too() {
    // Accepted by the configuration's own rules: shorter than the lease less a heartbeat.
    let fail = refused(&[("ENCRYPTION_KEY", KEY), ("AUTOPILOT__STRIPE__TIMEOUT", "7900ms")]);
    assert_eq!(fail.exit(), Exit::Usage);
    assert!(fail.to_string().contains("call timeout"), "{fail}");
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_nothing_is_written() {
    let migrators = [&autopilot_engine::MIGRATOR, &autopilot_workflows::MIGRATOR];
    let database = TestDatabase::create(&migrators).await;
    let open = async |key| {
        let keyring = app::keyring(&config(&[("ENCRYPTION_KEY", key)]).encryption.keys).unwrap();
        Vault::open(database.pool(), keyring).await.map_err(Fail::from)
    };
    assert!(open(KEY).await.is_ok());
    let fail = open(OTHER_KEY).await.err().unwrap();
    assert_eq!(fail.exit(), Exit::Usage);
    assert!(fail.to_string().contains("nothing was written"), "{fail}");
    assert!(open(KEY).await.is_ok(), "the right key is still the one that is known");
    database.close().await;
}

#[tokio::test]
async fn when_one_half_ends_with_an_error_the_other_is_asked_to_drain() {
    let stop = CancellationToken::new();
    let broken = until_error(async { Err(Fail::usage("broken")) }, &stop);
    let other = until_error(
        async {
            stop.cancelled().await;
            Ok(())
        },
        &stop,
    );
    let (broken, other) = tokio::join!(broken, other);
    assert!(broken.is_err() && other.is_ok());
}

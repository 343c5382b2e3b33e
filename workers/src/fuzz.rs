//! Command lines and settings that nobody meant: each is taken, or refused in words that tell no secret.

use autopilot_engine::testing::{Edit, mangled};
use clap::Parser as _;
use proptest::prelude::*;

use crate::cli::Cli;
use crate::config::Config;

/// A secret that no message may hold.
const SECRET: &str = "canary0canary1canary2canary3canary";

const LINES: [&str; 12] = [
    "runs list --status failed --kind studio.provision --limit 20",
    "runs watch 0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b --timeout 5s",
    "runs resolve 0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b --done --reason sent",
    "jobs retry-all --kind studio.provision --rate 10 --yes",
    "jobs search --tag a=b --output x=1",
    "breakers trip twilio/0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b --reason maintenance",
    "pauses add queue:default --reason deploy",
    "inbox replay --provider stripe --since 2026-11-01",
    "schedules run studio-checks",
    "retention set --queue default --outcome completed 30d",
    "health --all --after 0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b --json",
    "serve --workers --ready-file /tmp/ready --config /nowhere.toml",
];

/// Settings that hold secrets, or are read in ways of their own.
const SETTINGS: [(&str, &str); 12] = [
    ("DATABASE_URL", "postgres://me:canary0canary1canary2canary3canary@127.0.0.1:5432/db"),
    ("AUTOPILOT_API_TOKEN", SECRET),
    ("ENCRYPTION_KEY", "k1:canary0canary1canary2canary3canary"),
    ("STRIPE_SECRET_KEY", "sk_test_canary0canary1canary2canary3canary"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_canary0canary1canary2canary3canary"),
    ("TWILIO_AUTH_TOKEN", SECRET),
    ("RATE_LIMIT_REDIS_URL", "redis://:canary0canary1canary2canary3canary@127.0.0.1:6379/0"),
    ("AUTOPILOT__HTTP__BIND", "127.0.0.1:8080"),
    ("AUTOPILOT__HTTP__BODY_LIMIT", "1MiB"),
    ("AUTOPILOT__WORKER__LEASE", "10s"),
    ("AUTOPILOT__BREAKERS__FAILURES", "5"),
    ("AUTOPILOT__LOG__FILTER", "info"),
];

fn text(sample: &str, edits: &[Edit]) -> String {
    let bytes = mangled(sample.as_bytes(), edits);
    String::from_utf8_lossy(&bytes).into_owned()
}

proptest! {
    #[test]
    fn no_command_line_makes_it_panic(
        line in proptest::sample::select(&LINES[..]), edits in proptest::collection::vec(any::<Edit>(), 0..=5),
    ) {
        let line = text(line, &edits);
        let words = std::iter::once("autopilot").chain(line.split_whitespace());
        if let Err(refusal) = Cli::try_parse_from(words) {
            prop_assert!(!refusal.to_string().is_empty());
        }
    }

    #[test]
    fn no_setting_makes_it_panic_or_tell_a_secret(
        edits in proptest::collection::vec(proptest::collection::vec(any::<Edit>(), 0..5), SETTINGS.len()),
    ) {
        let settings = SETTINGS.iter().zip(&edits);
        let settings = settings.map(|((name, value), edits)| ((*name).to_owned(), text(value, edits)));
        let loaded = Config::load(None, settings, &autopilot_workflows::app::registry());
        let said: Vec<String> = loaded.problems().iter().map(ToString::to_string).collect();
        let said = format!("{said:?} {:?}", loaded.config());
        // Any five of its parts in a row are enough to know it by.
        prop_assert!(!said.contains("canary1canary2"), "{said}");
    }
}

//! What the engine does between two statements, without a database: `make bench-pure`. Under `cargo test` each runs once.

use std::hint::black_box;
use std::time::Duration;

use autopilot_engine::secrets::Keyring;
use autopilot_engine::{Class, Job, NewJob, Registry, Result, Retry, Run};
use divan::Bencher;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// Does nothing.
#[derive(Serialize, Deserialize)]
struct Noop {
    n: i64,
}

impl Job for Noop {
    type App = ();
    const KIND: &'static str = "bench.noop";

    async fn run(&self, _: &mut Run<'_, ()>) -> Result {
        Ok(())
    }
}

#[divan::bench]
fn encode_a_payload() -> serde_json::Result<String> {
    serde_json::to_string(&black_box(Noop { n: 1_000_000 }))
}

#[divan::bench]
fn decode_a_payload() -> serde_json::Result<i64> {
    serde_json::from_str::<Noop>(black_box(r#"{"n":1000000}"#)).map(|job| job.n)
}

#[divan::bench]
fn make_a_job() -> Option<NewJob> {
    NewJob::of(&black_box(Noop { n: 1_000_000 })).ok()
}

/// Beside making the job: its id is derived from the key.
#[divan::bench]
fn make_a_job_with_a_key(bencher: Bencher<'_, '_>) {
    let made = || NewJob::of(&Noop { n: 1_000_000 });
    bencher
        .with_inputs(made)
        .bench_values(|job| job.map(|job| job.key(black_box("evt_1ST9hYKx2vPqLmN7"))));
}

/// As HTTP and the command line do: looked up by its kind, decoded and encoded.
#[divan::bench]
fn make_a_job_by_its_kind(bencher: Bencher<'_, '_>) {
    let (registry, payload): (_, Value) = (Registry::new().register::<Noop>(), json!({ "n": 1 }));
    bencher.bench_local(|| registry.new_job(black_box(Noop::KIND), &payload));
}

#[divan::bench(args = [1, 3, 40])]
fn delay_of_a_retry(attempt: u32) -> Option<Duration> {
    let policy = Retry::exponential(Duration::from_secs(2)).retries(64);
    policy.delay(black_box(Class::TransientNetwork), attempt, black_box(0.5))
}

#[divan::bench]
fn read_a_keyring() -> bool {
    let text = SecretString::from("k1:7ImH6JLCrDCP0HOMXqsO8xPN7JCfsSZ6jjS6/j+XZR0=");
    Keyring::parse(black_box(&text)).is_ok()
}

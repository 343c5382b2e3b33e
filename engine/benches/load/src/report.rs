//! What a measurement says: progress to stderr, one JSON object to stdout.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what the program is for")]

use serde_json::{Map, Value, json};

/// How it goes, for a person.
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}

/// One line for a program that reads our output.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// What this program can measure.
pub(crate) fn list(works: &[&str]) {
    let system =
        json!([{ "system": "autopilot", "version": autopilot_engine::VERSION, "works": works }]);
    line(&system.to_string());
}

/// The answer of a measurement.
pub(crate) fn answer(work: &str, settings: &str, values: Value) {
    let mut answer = Map::new();
    answer.insert("system".to_owned(), json!(format!("autopilot {}", autopilot_engine::VERSION)));
    answer.insert("work".to_owned(), json!(work));
    answer.insert("settings".to_owned(), json!(settings));
    if let Value::Object(values) = values {
        answer.extend(values);
    }
    line(&Value::Object(answer).to_string());
}

//! Sources: who names whom, how long they are, and what is held across a call.

use super::{File, NOTHING, code, files, places, read, sample};

#[test]
fn the_engine_names_no_business_word_and_no_provider() {
    let words = [
        "studio",
        "fitness",
        "gym",
        "coach",
        "stripe",
        "twilio",
        "whatsapp",
        "openai",
        "smtp",
        "subaccount",
        "checkout",
        "workflows::",
    ];
    let check = |files: &[File]| places(files, &words, true);
    let mut engine = code("engine/src");
    engine.extend(files("engine/sql", ".sql"));
    engine.extend(files("migrations/engine", ".sql"));
    assert_eq!(check(&engine), NOTHING);
    assert_ne!(check(&sample("a.rs", "/// Such as `Twilio_21422`.")), NOTHING);
}

#[test]
fn no_connection_is_held_across_a_call() {
    let check = |files: &[File]| {
        let mut found = Vec::new();
        for (path, text) in files {
            let pairs = [
                ("at.begin()", "commit()"),
                ("pool.begin()", "commit()"),
                ("Tenant::begin(", "finish()"),
            ];
            for (begun, ended) in pairs {
                for held in text.split(begun).skip(1) {
                    // A connection does not outlive the function that begins with it.
                    let function = held.split("\n}").next().unwrap_or(held);
                    let Some(end) = function.find(ended) else {
                        found.push(format!("{path}: {begun} is never ended"));
                        continue;
                    };
                    let held = held.get(..end).unwrap_or_default();
                    if ["before_call", ".client.", "twilio.", "stripe.", "email."]
                        .iter()
                        .any(|call| held.contains(call))
                    {
                        found.push(format!("{path}: a call after {begun}"));
                    }
                }
            }
        }
        found
    };
    assert_eq!(check(&code("workflows/src/provisioning")), NOTHING);
    let bad = "let tx = at.begin().await?;\nstripe.ping().await?;\ntx.commit().await?;";
    assert_eq!(check(&sample("a.rs", bad)), ["a.rs: a call after at.begin()"]);
    assert_eq!(check(&sample("a.rs", "at.begin().await?;")), ["a.rs: at.begin() is never ended"]);
}

#[test]
fn no_source_file_is_longer_than_four_hundred_lines() {
    let check = |files: &[File]| -> Vec<String> {
        let long = files.iter().filter(|(_, text)| text.lines().count() > 400);
        long.map(|(path, _)| path.clone()).collect()
    };
    for folder in [
        "engine/src",
        "workflows/src",
        "workers/src",
        "tests/src",
        "tests/contract/src",
        "tests/sandbox/src",
        "tests/postgres/src",
        "examples",
    ] {
        assert_eq!(check(&code(folder)), NOTHING);
    }
    assert_eq!(check(&sample("long.rs", &"\n".repeat(401))), ["long.rs"]);
}

#[test]
fn every_call_of_an_adapter_is_held_against_the_providers_description() {
    let check = |adapter: &[File], course: &str| -> (usize, Vec<String>) {
        let lines = adapter.iter().flat_map(|(_, text)| text.lines());
        let names = lines.filter_map(|line| line.trim_start().strip_prefix("pub async fn "));
        let names: Vec<&str> = names.filter_map(|rest| rest.split(['(', '<']).next()).collect();
        let missing = names.iter().filter(|name| !course.contains(&format!(".{name}(")));
        (names.len(), missing.map(|name| (*name).to_owned()).collect())
    };
    for (provider, least) in [("stripe", 4), ("twilio", 15), ("whatsapp", 6), ("openai", 2)] {
        let mut adapter = code("workflows/src/integrations");
        adapter.retain(|(path, _)| path.contains(&format!("/integrations/{provider}")));
        let (calls, missing) = check(&adapter, &read(&format!("tests/contract/src/{provider}.rs")));
        assert!(calls >= least, "{calls} calls of {provider}");
        assert_eq!(missing, NOTHING, "{provider}");
    }
    let adapter = "    pub async fn ping(&self) {}\npub async fn send<T>(&self) {}";
    assert_eq!(check(&sample("a.rs", adapter), "x.ping().await").1, ["send"]);
}

/// Steps that say themselves whom they call, for they call several, or somebody who is no provider of ours.
const SAY_THEMSELVES: [(&str, usize); 2] = [("provisioning.rs", 1), ("outbound/job.rs", 1)];

#[test]
fn every_step_of_the_workflows_says_whom_it_calls() {
    const VERBS: [&str; 6] = [
        ".step(",
        ".step_or_skip(",
        ".step_once(",
        ".optional(",
        ".reconcile(",
        ".reconcile_once(",
    ];
    let check = |files: &[File]| -> (usize, Vec<String>) {
        let (mut all, mut silent) = (0, Vec::new());
        for (path, text) in files {
            let steps: usize = VERBS.iter().map(|verb| text.matches(verb).count()).sum();
            let said = text.matches(".calls(").count();
            let own = SAY_THEMSELVES.iter().find(|(end, _)| path.ends_with(end));
            let own = own.map_or(0, |(_, steps)| *steps);
            all += steps;
            if steps > said + own {
                silent.push(format!("{path}: {} of {steps}", steps - said - own));
            }
        }
        (all, silent)
    };
    let mut workflows = code("workflows/src");
    workflows.retain(|(path, _)| !path.contains("/integrations/"));
    let (steps, silent) = check(&workflows);
    assert!(steps >= 10, "{steps} steps");
    assert_eq!(silent, NOTHING);
    assert_eq!(
        check(&sample("a.rs", "run.step(\"ask\", async |at| ask(at).await)")).1,
        ["a.rs: 1 of 1"]
    );
}

#[test]
fn every_job_of_the_workflows_is_registered() {
    let app = read("workflows/src/app.rs");
    let check = |files: &[File]| -> (usize, Vec<String>) {
        let names = files.iter().flat_map(|(_, text)| text.lines()).filter_map(|line| {
            line.strip_prefix("impl Job for ").and_then(|rest| rest.split([' ', '{']).next())
        });
        let names: Vec<&str> = names.collect();
        let missing = names.iter().filter(|name| !app.contains(&format!("register::<{name}>()")));
        (names.len(), missing.map(|name| (*name).to_owned()).collect())
    };
    let (jobs, missing) = check(&code("workflows/src"));
    assert!(jobs >= 3, "{jobs} jobs");
    assert_eq!(missing, NOTHING);
    assert_eq!(check(&sample("a.rs", "impl Job for Forgotten {")).1, ["Forgotten"]);
}

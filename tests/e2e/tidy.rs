//! The rules of ARCHITECTURE.md that neither the compiler nor a lint can check, read from the sources. Each check is
//! also shown something that breaks it.

use std::fs;
use std::path::{Path, PathBuf};

/// A file below the root: its path with `/`, and its text.
type File = (String, String);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files with this ending below a folder.
fn files(folder: &str, ending: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.ends_with(ending) {
                found.push((path.clone(), read(&path)));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no {ending}");
    found
}

/// The sources of a crate without its tests: what stands in files or folders of tests, or behind `cfg(test)` at the
/// end of a file.
fn code(folder: &str) -> Vec<File> {
    let is_test = |path: &str| path.contains("/tests/") || path.ends_with("/tests.rs");
    files(folder, ".rs")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, without_tests(&text).to_owned()))
        .collect()
}

fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod tests {").and_then(|tests| text.get(..tests)).unwrap_or(text)
}

/// Where one of these stands outside a comment, as `path:line: word`.
fn places(files: &[File], words: &[&str], comments: bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (number, line) in (1..).zip(text.lines()) {
            if !comments && line.trim_start().starts_with("//") {
                continue;
            }
            let line = line.to_lowercase();
            let hits = words.iter().filter(|word| line.contains(*word));
            found.extend(hits.map(|word| format!("{path}:{number}: {word}")));
        }
    }
    found
}

fn sample(path: &str, text: &str) -> Vec<File> {
    vec![(path.to_owned(), text.to_owned())]
}

const NOTHING: [&str; 0] = [];

/// What runs a statement that is written in the code; checked queries of a file do not count.
const WRITTEN_SQL: [&str; 7] = [
    "sqlx::query(",
    "sqlx::query!(",
    "query_as(",
    "query_as!(",
    "query_scalar(",
    "query_scalar!(",
    "raw_sql(",
];

#[test]
fn the_process_contains_no_sql() {
    let check = |files: &[File]| {
        places(files, &["sqlx::query", "query_as", "query_scalar", "raw_sql("], false)
    };
    assert_eq!(check(&code("workers/src")), NOTHING);
    assert_ne!(check(&sample("a.rs", "let row = sqlx::query!(\"SELECT 1\");")), NOTHING);
}

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
fn only_state_and_tenancy_touch_the_studios_tables() {
    let migrations = files("migrations/studio", ".sql");
    let tables: Vec<String> = migrations
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.strip_prefix("CREATE TABLE studio."))
        .filter_map(|rest| rest.split([' ', '(']).next())
        .flat_map(|table| {
            ["from", "into", "update", "join"].map(|verb| format!("{verb} studio.{table}"))
        })
        .collect();
    assert!(tables.len() >= 11 * 4, "{tables:?}");
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    let check = |files: &[File]| {
        let allowed = ["workflows/src/state/", "workflows/src/tenancy"];
        let mut found = places(files, &tables, false);
        found.retain(|place| !allowed.iter().any(|allowed| place.starts_with(allowed)));
        found
    };
    let mut all = code("workflows/src");
    all.extend(code("workers/src"));
    assert_eq!(check(&all), NOTHING);
    assert_ne!(check(&sample("workflows/src/app.rs", "\"DELETE FROM studio.inbox\"")), NOTHING);
    // Statements stand nowhere else in the workflows either, whichever table they name.
    let mut written = places(&code("workflows/src"), &WRITTEN_SQL, false);
    written.retain(|place| !place.contains("/state/") && !place.contains("/tenancy"));
    assert_eq!(written, NOTHING);
}

#[test]
fn the_engines_statements_stand_in_its_sql_folder() {
    // Statements on no table of the queue: the notification, the migrations, the server's clock, the role.
    let allowed =
        ["loops/listen.rs", "src/schema.rs", "run/transact.rs", "src/doctor.rs", "/testing/"];
    let check = |files: &[File]| {
        let mut found = places(files, &WRITTEN_SQL, false);
        found.retain(|place| !allowed.iter().any(|allowed| place.contains(allowed)));
        found
    };
    assert_eq!(check(&code("engine/src")), NOTHING);
    assert_ne!(check(&sample("engine/src/attempt.rs", "sqlx::query(\"DELETE\")")), NOTHING);
    let mut tables = places(
        &code("workflows/src"),
        &["engine.job", "engine.step", "engine.run", "engine.history"],
        false,
    );
    tables.extend(places(&code("workers/src"), &["engine.job", "engine.step"], false));
    assert_eq!(tables, NOTHING, "the engine's tables are the engine's");
}

#[test]
fn no_statement_of_the_engine_is_unused_or_without_a_header() {
    let check = |statements: &[File], code: &str| {
        let mut found = Vec::new();
        for (path, text) in statements {
            if !text.starts_with("-- ") {
                found.push(format!("{path} has no header"));
            }
            let name = path.trim_start_matches("engine/");
            if !code.contains(&format!("\"{name}\"")) {
                found.push(format!("{path} is not used"));
            }
        }
        found
    };
    let code: String = code("engine/src").into_iter().map(|(_, text)| text).collect();
    assert_eq!(check(&files("engine/sql", ".sql"), &code), NOTHING);
    assert_eq!(check(&sample("engine/sql/nobody.sql", "SELECT 1"), &code).len(), 2);
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
        "tests/sandbox/src",
        "tests/postgres/src",
        "examples",
    ] {
        assert_eq!(check(&code(folder)), NOTHING);
    }
    assert_eq!(check(&sample("long.rs", &"\n".repeat(401))), ["long.rs"]);
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

#[test]
fn every_rule_of_the_lease_has_tests_that_bear_its_number() {
    let tests = files("tests/e2e", ".rs");
    let check = |tests: &[File]| -> Vec<String> {
        let rules = (1..=12).map(|rule| format!("fn l{rule:02}_"));
        rules.filter(|rule| !tests.iter().any(|(_, text)| text.contains(rule))).collect()
    };
    assert_eq!(check(&tests), NOTHING);
    assert_eq!(check(&sample("a.rs", "async fn l01_a_claim() {}")).len(), 11);
}

#[test]
fn every_file_of_these_tests_is_compiled() {
    let main = read("tests/e2e/main.rs");
    let check = |files: &[File]| -> Vec<String> {
        let names = files.iter().filter_map(|(path, _)| path.strip_prefix("tests/e2e/"));
        let names =
            names.filter_map(|name| name.strip_suffix(".rs")).filter(|name| *name != "main");
        let is_compiled = |name: &&str| match name.rsplit_once('/') {
            None => main.contains(&format!("mod {name};")),
            Some((folder, name)) => {
                read(&format!("tests/e2e/{folder}.rs")).contains(&format!("mod {name};"))
            }
        };
        names.filter(|name| !is_compiled(name)).map(str::to_owned).collect()
    };
    assert_eq!(check(&files("tests/e2e", ".rs")), NOTHING);
    assert_eq!(check(&sample("tests/e2e/forgotten.rs", "")), ["forgotten"]);
    let inside = "state_machine/forgotten";
    assert_eq!(check(&sample(&format!("tests/e2e/{inside}.rs"), "")), [inside]);
}

#[test]
fn every_knob_says_what_it_is() {
    let check = |toml: &str| {
        let (mut commented, mut bare, mut knobs) = (false, Vec::new(), 0);
        for line in toml.lines() {
            let is_knob =
                line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains('=');
            if is_knob {
                knobs += 1;
                if !commented {
                    bare.push(line.to_owned());
                }
            }
            commented = line.starts_with('#');
        }
        (knobs, bare)
    };
    let (knobs, bare) = check(&read("worker.toml"));
    assert!(knobs > 30, "{knobs} knobs");
    assert_eq!(bare, NOTHING);
    assert_eq!(check("# Said.\na = 1\nb = 2\n").1, ["b = 2"]);
}

#[test]
fn the_architecture_numbers_its_invariants_and_names_what_enforces_each() {
    let check = |page: &str| {
        let mut wrong = Vec::new();
        let section =
            page.split("## Invariants").nth(1).and_then(|rest| rest.split("\n## ").next());
        let lines = section.unwrap_or_default().lines().filter(|line| !line.trim().is_empty());
        let mut last = 0;
        for (number, line) in (1..).zip(lines) {
            last = number;
            if !line.starts_with(&format!("{number}. ")) {
                wrong.push(format!("not number {number}: {line}"));
            }
            if !line.contains(" — ") {
                wrong.push(format!("nothing enforces: {line}"));
            }
            // Files that are named are there.
            for named in line.split('`').skip(1).step_by(2) {
                let path = named.replace("e2e/", "tests/e2e/");
                let is_path = named.contains('/') || named.ends_with(".toml");
                let found =
                    root().join(&path).exists() || root().join("engine/sql").join(&path).exists();
                if is_path && !found {
                    wrong.push(format!("there is no {named}"));
                }
            }
        }
        (last, wrong)
    };
    let (invariants, wrong) = check(&read("ARCHITECTURE.md"));
    assert!(invariants >= 14, "{invariants} invariants");
    assert_eq!(wrong, NOTHING);
    let bad = "## Invariants\n\n1. One. — `e2e/none.rs`.\n3. Three.\n\n## Next\n";
    assert_eq!(check(bad).1.len(), 3);
}

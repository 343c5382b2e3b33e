//! Statements: where they stand, and that each is used and says what it moves.

use super::{File, NOTHING, code, files, places, sample};

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
fn a_job_that_is_named_is_never_looked_for_among_all_that_have_what_few_have() {
    // What makes a condition of these false for a null proves to the planner that the partial index on them holds the row, and
    // its statistics may say that the index is short.
    let check = |statements: &[File]| -> Vec<String> {
        let proofs = ["blocked_on", "unique_key", "wakes"].map(|column| {
            ["=", "IS NOT NULL", "LIKE", "<", ">"].map(|compared| format!("{column} {compared}"))
        });
        let proofs = proofs.concat();
        let mut found = Vec::new();
        for (path, text) in statements {
            let conditions = text.split("WHERE ").skip(1).filter_map(|rest| rest.lines().next());
            let by_id = conditions.filter(|condition| condition.contains("id = ANY ("));
            found.extend(
                by_id
                    .filter(|condition| proofs.iter().any(|proof| condition.contains(proof)))
                    .map(|condition| format!("{path}: {condition}")),
            );
        }
        found
    };
    assert_eq!(check(&files("engine/sql", ".sql")), NOTHING);
    let walks =
        "UPDATE engine.job j SET begun = true WHERE j.id = ANY ($1) AND j.unique_key IS NOT NULL";
    assert_eq!(check(&sample("a.sql", walks)).len(), 1);
    assert_eq!(
        check(&sample(
            "a.sql",
            &walks.replace("j.unique_key IS NOT NULL", "num_nonnulls(j.unique_key) = 1")
        )),
        NOTHING
    );
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

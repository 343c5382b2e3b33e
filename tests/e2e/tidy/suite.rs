//! These tests themselves: each rule of the lease has some, and each file is compiled.

use super::{File, NOTHING, files, read, sample};

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
    let check = |files: &[File]| -> Vec<String> {
        let names = files.iter().filter_map(|(path, _)| path.strip_prefix("tests/e2e/"));
        let names = names.filter_map(|name| name.strip_suffix(".rs"));
        let forgotten = names.filter(|name| *name != "main").filter(|name| {
            // What stands in a folder is named by the file beside it.
            let (parent, module) = name.rsplit_once('/').unwrap_or(("main", name));
            !read(&format!("tests/e2e/{parent}.rs")).contains(&format!("mod {module};"))
        });
        forgotten.map(str::to_owned).collect()
    };
    assert_eq!(check(&files("tests/e2e", ".rs")), NOTHING);
    assert_eq!(check(&sample("tests/e2e/forgotten.rs", "")), ["forgotten"]);
    assert_eq!(check(&sample("tests/e2e/tidy/forgotten.rs", "")), ["tidy/forgotten"]);
}

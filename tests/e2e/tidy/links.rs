//! Links of the documents: each leads to a file, and where its words are a test's name, the test is there. What the README
//! promises, or says that it has, leads to what shows it.

use super::{NOTHING, read, root};

const DOCUMENTS: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "RELIABILITY.md"];

/// What a cell of the feature table may begin with.
const LEGEND: [&str; 6] = ["Y", "P", "~", "N", "?", "–"];

struct Link {
    words: String,
    target: String,
}

impl Link {
    /// The function whose name these words are: tests have sentences for names.
    fn test(&self) -> Option<String> {
        let is_test = self.target.ends_with(".rs") && !self.words.contains('`');
        let name = self.words.to_lowercase().replace(['\'', ','], "").replace([' ', '-'], "_");
        is_test.then_some(name)
    }
}

/// The links of a text to files, without those in blocks of code.
fn links(text: &str) -> Vec<Link> {
    let prose: String = text.split("\n```").step_by(2).collect();
    let mut found = Vec::new();
    for (before, after) in prose.match_indices("](").map(|(at, _)| prose.split_at(at)) {
        let words = before.rsplit('[').next().unwrap_or_default();
        let target = after.trim_start_matches("](").split(')').next().unwrap_or_default();
        let (target, _) = target.split_once('#').unwrap_or((target, ""));
        if !target.is_empty() && !target.contains("://") {
            found.push(Link { words: words.to_owned(), target: target.to_owned() });
        }
    }
    found
}

/// Whether a source has this function, and as a test.
fn has_test(source: &str, name: &str) -> bool {
    let before = source.split_once(&format!("fn {name}(")).map(|(before, _)| before);
    before
        .and_then(|before| before.rsplit("\n\n").next())
        .is_some_and(|own| own.contains("test]") || own.contains("::test("))
}

/// The links that lead nowhere: there is no such file, or it has no test or no target of that name.
fn dead(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for link in links(text) {
        let Link { words, target } = &link;
        if !root().join(target).exists() {
            found.push(format!("there is no {target}"));
        } else if let Some(test) = link.test() {
            if !has_test(&read(target), &test) {
                found.push(format!("{target} has no test {test}"));
            }
        } else if let Some(goal) = words.strip_prefix("`make ") {
            let goal = goal.trim_end_matches('`');
            if !read(target).contains(&format!("\n{goal}: ")) {
                found.push(format!("{target} has no target {goal}"));
            }
        } else if let Some(file) = target.strip_suffix(".rs") {
            let stem = file.rsplit('/').next().unwrap_or(file);
            if words.trim_matches('`') != stem {
                found.push(format!("{words} is not the file {target}"));
            }
        }
    }
    found
}

/// The rows of all tables in a section, each with its cells; heads are not among them.
fn rows<'a>(text: &'a str, section: &str) -> Vec<Vec<&'a str>> {
    let section = text.split(&format!("\n## {section}\n")).nth(1).unwrap_or_default();
    let lines: Vec<&str> = section.split("\n## ").next().unwrap_or_default().lines().collect();
    let is_rule = |line: &str| line.starts_with("|---");
    let rows = lines.iter().enumerate().filter(|(at, line)| {
        let is_head = lines.get(at + 1).is_some_and(|next| is_rule(next));
        line.starts_with('|') && !is_rule(line) && !is_head
    });
    rows.map(|(_, row)| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_link_leads_to_a_file_and_to_a_test_that_is_there() {
    for document in DOCUMENTS {
        assert_eq!(dead(&read(document)), NOTHING, "{document}");
    }
    assert!(links(&read("README.md")).len() > 60);
    let broken = "[l01](tests/e2e/none.rs), [`turns`](tests/e2e/limits.rs), [turns come never](tests/e2e/limits.rs), \
                  [Turns come evenly, however many ask for them](tests/e2e/limits.rs), [add all](tests/e2e/limits.rs), [`make tea`](Makefile)\n```\n[a](b)\n```\n[c](https://d)";
    assert_eq!(
        dead(broken),
        [
            "there is no tests/e2e/none.rs",
            "`turns` is not the file tests/e2e/limits.rs",
            "tests/e2e/limits.rs has no test turns_come_never",
            "tests/e2e/limits.rs has no test add_all",
            "Makefile has no target tea"
        ]
    );
}

#[test]
fn every_promise_names_a_test_that_fails_without_it() {
    let check = |text: &str| -> (usize, Vec<String>) {
        let promises = rows(text, "What it promises");
        let bare = promises.iter().filter(|row| {
            let proof = row.get(2).copied().unwrap_or_default();
            let is_named = links(proof).iter().any(|link| link.test().is_some());
            !is_named && !proof.starts_with("nothing")
        });
        (promises.len(), bare.map(|row| row.join(" ")).collect())
    };
    assert_eq!(check(&read("README.md")), (8, vec![]));
    let bare = "\n## What it promises\n\n|  | promise | proof |\n|---|---|---|\n| P1 | All. | [`turns`](tests/e2e/turns.rs) |\n";
    assert_eq!(check(bare).1.len(), 1);
}

#[test]
fn every_feature_that_is_ours_has_a_link() {
    let check = |text: &str| -> (usize, Vec<String>) {
        let features = rows(text, "Side by side");
        let wrong = features.iter().filter(|row| {
            let known = |cell: &&str| LEGEND.iter().any(|sign| cell.starts_with(sign));
            let ours = row.last().copied().unwrap_or_default();
            let is_shown = ours == "N" || !links(ours).is_empty();
            row.len() != 8 || !row.iter().skip(1).all(known) || !is_shown
        });
        (features.len(), wrong.map(|row| row.join(" | ")).collect())
    };
    let (features, wrong) = check(&read("README.md"));
    assert!(features >= 40, "{features} features");
    assert_eq!(wrong, NOTHING);
    let head = "\n## Side by side\n\n| Queue | a | b | c | d | e | f | us |\n|---|---|---|---|---|---|---|---|\n";
    let unshown = "| Cron | Y | Y | Y | Y | Y | Y | Y of course |\n";
    let unknown = "| Cron | yes | Y | Y | Y | Y | Y | N |\n";
    let short = "| Cron | Y | [Y](README.md) |\n";
    let right = "| Cron | Y | Y | P | ~ | ? | – | Y [here](README.md) |\n";
    assert_eq!(check(&[head, unshown, unknown, short, right].concat()).1.len(), 3);
}

//! The documents beside the code: each setting says what it is, each invariant what enforces it.

use super::{NOTHING, read, root};

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

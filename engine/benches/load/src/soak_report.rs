//! What a soak says: a line a minute.

use std::fmt::Write;

use crate::footprint::Footprint;
use crate::latency::percentile;

/// What was seen in one pass.
pub(crate) struct Pass {
    /// By minute, in nanoseconds, from the moment at which a job was due to its start.
    pub(crate) latencies: Vec<Vec<i64>>,
    /// At the end of each minute.
    pub(crate) footprints: Vec<Footprint>,
    /// What is lost, in sentences.
    pub(crate) problems: Vec<String>,
}

/// A pass as Markdown.
pub(crate) fn table(pass: &Pass) -> String {
    let names = names(&pass.footprints);
    let mut text = "| minute | jobs | pickup p50 ms | p99 ms | worst ms |".to_owned();
    for name in &names {
        // To a string: nothing can fail.
        write!(text, " {name}: dead tuples | {name}: kB |").ok();
    }
    text.push_str("\n|");
    text.push_str(&"---:|".repeat(5 + 2 * names.len()));
    for (number, latencies) in (1..).zip(&pass.latencies) {
        let mut latencies = latencies.clone();
        let [p50, p99, worst] = [50.0, 99.0, 100.0].map(|at| percentile(&mut latencies, at));
        let count = latencies.len();
        write!(text, "\n| {number} | {count} | {p50:.2} | {p99:.2} | {worst:.2} |").ok();
        let footprint = pass.footprints.get(number - 1);
        for name in &names {
            let told = footprint.and_then(|footprint| footprint.of(name)).map_or_else(
                || " - | - |".to_owned(),
                |table| format!(" {} | {} |", table.dead_tuples, table.bytes / 1_024),
            );
            text.push_str(&told);
        }
    }
    text.push('\n');
    for problem in &pass.problems {
        write!(text, "\n**{problem}**\n").ok();
    }
    text
}

/// The tables that were ever more than their empty indexes, in the order of the alphabet.
fn names(footprints: &[Footprint]) -> Vec<&str> {
    let tables = footprints.iter().flat_map(|footprint| &footprint.tables);
    let used = tables.filter(|table| table.heap > 0);
    let mut names: Vec<&str> = used.map(|table| table.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footprint::Table;

    #[test]
    fn a_minute_is_a_line_with_every_table_that_holds_rows() {
        let table_of = |name: &str, heap: i64| Table {
            name: name.to_owned(),
            dead_tuples: 7,
            heap,
            indexes: 8_192,
            bytes: heap + 8_192,
        };
        let footprint = Footprint { tables: vec![table_of("job", 8_192), table_of("failure", 0)] };
        let pass = Pass {
            latencies: vec![vec![1_000_000, 3_000_000], vec![2_000_000]],
            footprints: vec![footprint],
            problems: vec!["1 of 3 jobs is lost".to_owned()],
        };
        let text = table(&pass);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("| job: dead tuples | job: kB |"), "{text}");
        assert_eq!(lines[1].matches("---:").count(), lines[0].matches('|').count() - 1, "{text}");
        assert_eq!(lines[2], "| 1 | 2 | 3.00 | 3.00 | 3.00 | 7 | 16 |");
        assert_eq!(lines[3], "| 2 | 1 | 2.00 | 2.00 | 2.00 | - | - |");
        assert!(text.ends_with("**1 of 3 jobs is lost**\n"), "{text}");
    }
}

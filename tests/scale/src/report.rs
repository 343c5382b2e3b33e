//! What is printed: progress to stderr, Markdown to stdout.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is what the program is for")]

use crate::checks::Checks;

/// How it goes, for a person.
pub(crate) fn progress(text: &str) {
    eprintln!("{text}");
}

/// One line for the process that reads our output.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// What stands above everything.
pub(crate) fn head(server: &str) {
    println!("# What grows\n\n{server}\n");
}

/// A table below its title, with what must be known to read it.
pub(crate) fn table(title: &str, note: &str, columns: &[&str], rows: &[Vec<String>]) {
    println!("{}", markdown(title, note, columns, rows));
}

/// What the checks said.
pub(crate) fn verdict(checks: &Checks) {
    println!("## Checks\n");
    for failed in checks.failed() {
        println!("- FAILED {failed}");
    }
    let (failed, made) = (checks.failed().len(), checks.made());
    println!("{}{failed} of {made} checks failed", if failed == 0 { "" } else { "\n" });
}

fn markdown(title: &str, note: &str, columns: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("## {title}\n\n{note}\n\n");
    text.push_str(&line(&columns.iter().map(|column| (*column).to_owned()).collect::<Vec<_>>()));
    // The first column names the row, figures stand to the right.
    let rules = (0..columns.len()).map(|at| if at == 0 { "---" } else { "---:" }.to_owned());
    text.push_str(&line(&rules.collect::<Vec<_>>()));
    for row in rows {
        text.push_str(&line(row));
    }
    text
}

/// A figure with as many digits as say something: three.
pub(crate) fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    grouped(&format!("{value:.digits$}"))
}

/// A count, with its thousands apart.
pub(crate) fn count(value: usize) -> String {
    grouped(&value.to_string())
}

/// Bytes as MiB.
#[expect(clippy::cast_precision_loss, reason = "bytes of a process are far below 2^52")]
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Puts commas between the thousands of a number's whole part.
fn grouped(text: &str) -> String {
    let (whole, rest) = text.find('.').map_or((text, ""), |point| text.split_at(point));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_thousands_apart() {
        for (value, text) in [
            (0.123_4, "0.12"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1_234.5, "1,234"),
            (1_234_567.0, "1,234,567"),
            (-1_234.0, "-1,234"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(figure(value), text);
        }
        assert_eq!(count(100_000), "100,000");
        assert_eq!(mebibytes(3 << 19), "1.5 MiB");
    }

    #[test]
    fn a_table_is_markdown() {
        let rows = [vec!["1".to_owned(), "2".to_owned()]];
        let text = markdown("Title", "Note.", &["a", "b"], &rows);
        assert_eq!(text, "## Title\n\nNote.\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n");
    }
}

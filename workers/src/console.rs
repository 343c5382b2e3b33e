//! What a command says: text for people, JSON for programs, on standard output; failures on standard error.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use crate::fail::Fail;
use crate::render::Style;

/// Where a command's answer goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    json: bool,
}

impl Console {
    /// JSON if asked for, else text.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether JSON was asked for.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Colour and blocks on a terminal, plain text elsewhere.
    pub(crate) fn style(self) -> Style {
        let no_color = std::env::var("NO_COLOR").ok();
        Style::of(&io::stdout(), no_color.as_deref())
    }

    /// Shows an answer: one JSON value on one line, or lines of text.
    ///
    /// # Errors
    /// Those of writing. A reader that left (`| head`) is none.
    pub(crate) fn show(
        self,
        value: &impl Serialize,
        text: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Fail> {
        let written = if self.json {
            let line = serde_json::to_string(value).map_err(io::Error::from)?;
            writeln!(io::stdout(), "{line}")
        } else {
            let lines: String = text().into_iter().map(|line| line + "\n").collect();
            io::stdout().write_all(lines.as_bytes())
        };
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Says why a command failed.
    pub(crate) fn fail(self, fail: &Fail) {
        let line = if self.json {
            json!({ "error": fail.to_string(), "exit": fail.exit().code() }).to_string()
        } else {
            format!("error: {fail}")
        };
        say(&line);
    }
}

/// A line to people, beside the answer.
pub(crate) fn say(line: &str) {
    // Nobody is left to tell that nobody reads.
    drop(writeln!(io::stderr(), "{line}"));
}

/// A moment in a cell: to the second, in UTC.
pub(crate) fn utc(at: impl Into<Option<DateTime<Utc>>>) -> String {
    at.into().map_or_else(|| "-".to_owned(), |at| at.format("%F %T").to_string())
}

/// Rows in columns. Control characters, which come from providers and tenants, become blanks.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> Vec<String> {
    let head = head.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(head)
        .chain(rows)
        .map(|row| row.map(|cell| cell.replace(char::is_control, " ")))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_reaches_the_terminal_that_it_obeys() {
        let rows =
            vec![["1".to_owned(), "a\u{1b}[2Jb".to_owned()], ["long".to_owned(), "ü".to_owned()]];
        assert_eq!(table(["ID", "WHAT"], rows), ["ID    WHAT", "1     a [2Jb", "long  ü"]);
    }
}

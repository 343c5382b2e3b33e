//! What is changed in a statement.

use std::ops::Range;

use super::tokens::{Kind, Token, tokens};

/// A change of the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// The line, from 1.
    pub line: usize,
    /// What stands there, and what in its place.
    pub what: String,
    range: Range<usize>,
    to: String,
}

impl Mutant {
    fn new(sql: &str, range: Range<usize>, to: &str) -> Option<Self> {
        let from = sql.get(range.clone())?;
        let line = sql.get(..range.start)?.matches('\n').count() + 1;
        let shown = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let what = match shown(to) {
            to if to.is_empty() => format!("without `{}`", shown(from)),
            to => format!("`{}` for `{}`", to, shown(from)),
        };
        (to.len() <= from.len()).then(|| Self {
            line,
            what,
            to: format!("{to:width$}", width = from.len()),
            range,
        })
    }

    /// The statement with the change; as long as it was.
    #[must_use]
    pub fn of(&self, sql: &str) -> String {
        let mut text = sql.to_owned();
        text.replace_range(self.range.clone(), &self.to);
        text
    }
}

/// Everything that may be changed in a statement.
#[must_use]
pub fn mutants(sql: &str) -> Vec<Mutant> {
    let tokens = tokens(sql);
    let changes = (0..tokens.len()).filter_map(|at| {
        let (range, to) = change(sql, tokens.get(at..)?)?;
        Mutant::new(sql, range, to)
    });
    changes.collect()
}

/// What may be changed at the first of these tokens.
fn change<'t>(sql: &str, tokens: &[Token<'t>]) -> Option<(Range<usize>, &'static str)> {
    let [first, rest @ ..] = tokens else { return None };
    let whole = first.at..first.end();
    let before_a_blank =
        sql.get(first.end()..)?.starts_with(' ').then_some(first.at..first.end() + 1);
    let until = |end: usize| first.at..end;
    Some(match first.text.to_ascii_lowercase().as_str() {
        "<=" => (whole, "<"),
        ">=" => (whole, ">"),
        "<>" => (whole, "="),
        "<" => (before_a_blank?, "<="),
        ">" => (before_a_blank?, ">="),
        "=" => (before_a_blank?, "<>"),
        "+" | "-" if rest.first()?.text == "1" => {
            let one = rest.first()?;
            (one.at..one.end(), "0")
        }
        "not" => (whole, ""),
        "skip" if rest.first()?.is("locked") => (until(rest.first()?.end()), ""),
        "for" if rest.first().is_some_and(is_of_a_lock) => (until(end_of_lock(tokens)), ""),
        "limit" => (until(end(tokens, |token| token.is("for"))), ""),
        "and" | "or" => (until(end(tokens, ends_a_condition)), ""),
        "min" => (whole, "max"),
        "max" => (whole, "min"),
        "greatest" => (whole, "least"),
        _ => return None,
    })
}

fn is_of_a_lock(token: &Token<'_>) -> bool {
    ["update", "no", "key", "share", "skip", "locked"].iter().any(|word| token.is(word))
}

fn end_of_lock(tokens: &[Token<'_>]) -> usize {
    let rest = tokens.get(1..).unwrap_or_default();
    let mut end = tokens.first().map_or(0, Token::end);
    let mut named = false;
    for token in rest {
        // OF names the table whose rows are locked.
        if !(named || is_of_a_lock(token) || token.is("of")) {
            break;
        }
        named = token.is("of");
        end = token.end();
    }
    end
}

fn ends_a_condition(token: &Token<'_>) -> bool {
    const WORDS: [&str; 16] = [
        "and",
        "or",
        "returning",
        "order",
        "group",
        "limit",
        "for",
        "union",
        "then",
        "when",
        "else",
        "end",
        "on",
        "having",
        "join",
        "left",
    ];
    matches!(token.text, "," | ";")
        || token.kind == Kind::Word && WORDS.iter().any(|word| token.is(word))
}

/// Where what begins with the first token ends, on its own level.
fn end(tokens: &[Token<'_>], ends: fn(&Token<'_>) -> bool) -> usize {
    let Some(first) = tokens.first() else { return 0 };
    let rest = tokens.get(1..).unwrap_or_default();
    let inside = rest.iter().take_while(|token| {
        token.depth > first.depth || token.depth == first.depth && !ends(token)
    });
    inside.last().map_or(first.end(), Token::end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(sql: &str) -> Vec<String> {
        mutants(sql).iter().map(|mutant| mutant.of(sql)).collect()
    }

    #[test]
    fn each_change_is_as_long_as_what_it_replaces() {
        let sql = include_str!("../../../engine/sql/claim.sql");
        let found = mutants(sql);
        assert!(found.len() > 20, "{found:#?}");
        for mutant in found {
            assert_eq!(mutant.of(sql).len(), sql.len(), "{mutant:?}");
            assert_ne!(mutant.of(sql), sql, "{mutant:?}");
        }
    }

    #[test]
    fn a_condition_ends_where_the_next_begins() {
        let sql = "SELECT 1 WHERE a = 1 AND (b OR c) AND EXISTS (SELECT FROM d) ORDER BY e FOR UPDATE OF f SKIP LOCKED";
        assert_eq!(
            all(sql),
            [
                "SELECT 1 WHERE a <>1 AND (b OR c) AND EXISTS (SELECT FROM d) ORDER BY e FOR UPDATE OF f SKIP LOCKED",
                "SELECT 1 WHERE a = 1              AND EXISTS (SELECT FROM d) ORDER BY e FOR UPDATE OF f SKIP LOCKED",
                "SELECT 1 WHERE a = 1 AND (b     ) AND EXISTS (SELECT FROM d) ORDER BY e FOR UPDATE OF f SKIP LOCKED",
                "SELECT 1 WHERE a = 1 AND (b OR c)                            ORDER BY e FOR UPDATE OF f SKIP LOCKED",
                "SELECT 1 WHERE a = 1 AND (b OR c) AND EXISTS (SELECT FROM d) ORDER BY e                            ",
                "SELECT 1 WHERE a = 1 AND (b OR c) AND EXISTS (SELECT FROM d) ORDER BY e FOR UPDATE OF f            ",
            ]
        );
    }

    #[test]
    fn numbers_bounds_and_extremes_move() {
        assert_eq!(
            all("token + 1 >= max(x)"),
            ["token + 0 >= max(x)", "token + 1 >  max(x)", "token + 1 >= min(x)"]
        );
        assert_eq!(
            all("a IS NOT NULL LIMIT 5"),
            ["a IS     NULL LIMIT 5", "a IS NOT NULL        "]
        );
    }
}

//! A statement as tokens, as far as its changes need them.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word,
    Number,
    /// An operator or a mark.
    Symbol,
    /// A literal, a quoted name, a parameter.
    Value,
}

/// A token, and how many parentheses stand open before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'s> {
    pub(super) kind: Kind,
    pub(super) text: &'s str,
    pub(super) at: usize,
    pub(super) depth: usize,
}

impl Token<'_> {
    pub(super) const fn end(&self) -> usize {
        self.at + self.text.len()
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// Operators of more than one character, the longest first.
const OPERATORS: [&str; 10] = ["->>", "#>>", "<=", ">=", "<>", "::", "->", "||", "@>", "&&"];

/// The tokens of a statement, without blanks and comments.
pub(super) fn tokens(sql: &str) -> Vec<Token<'_>> {
    let (mut found, mut at, mut depth) = (Vec::new(), 0, 0);
    while let Some(rest) = sql.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = next(rest);
        let text = rest.get(..length).unwrap_or(rest);
        if matches!(text, ")" | "]") {
            depth = usize::saturating_sub(depth, 1);
        }
        if let Some(kind) = kind {
            found.push(Token { kind, text, at, depth });
        }
        if matches!(text, "(" | "[") {
            depth += 1;
        }
        at += text.len();
    }
    found
}

/// What the text begins with, none where that is no token, and how long it is.
fn next(rest: &str) -> (Option<Kind>, usize) {
    let while_ = |is: fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
    let quoted = |quote: char| {
        let tail = rest.get(1..).unwrap_or_default();
        tail.find(quote).map_or(rest.len(), |end| end + 2)
    };
    let first = rest.chars().next().unwrap_or(' ');
    if rest.starts_with("--") {
        return (None, rest.find('\n').unwrap_or(rest.len()));
    }
    if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
        return (Some(Kind::Symbol), operator.len());
    }
    match first {
        c if c.is_whitespace() => (None, while_(char::is_whitespace)),
        // A doubled quote is two literals side by side: what stands in it does not matter.
        '\'' | '"' => (Some(Kind::Value), quoted(first)),
        '$' => (Some(Kind::Value), 1 + rest.get(1..).map_or(0, digits)),
        c if c.is_ascii_digit() => (Some(Kind::Number), while_(|c| c.is_ascii_digit() || c == '.')),
        c if c.is_alphabetic() || c == '_' => {
            (Some(Kind::Word), while_(|c| c.is_alphanumeric() || matches!(c, '_' | '.')))
        }
        c => (Some(Kind::Symbol), c.len_utf8()),
    }
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_hide_what_stands_in_them() {
        let sql = "SELECT a.b, 'AND (' -- OR\n FROM t WHERE x <= $12 AND (y)::int[] <> 3";
        let texts: Vec<&str> = tokens(sql).iter().map(|token| token.text).collect();
        assert_eq!(
            texts,
            [
                "SELECT", "a.b", ",", "'AND ('", "FROM", "t", "WHERE", "x", "<=", "$12", "AND",
                "(", "y", ")", "::", "int", "[", "]", "<>", "3"
            ]
        );
        let depth = |text| tokens(sql).iter().find(|token| token.text == text).map(|t| t.depth);
        assert_eq!((depth("y"), depth(")"), depth("3")), (Some(1), Some(0), Some(0)));
    }
}

//! Text as rows keep it.

/// As much of a text as a row keeps, in bytes, cut between characters, and without what no text in Postgres holds.
pub(crate) fn kept(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most);
    text.get(..end).unwrap_or(text).replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_a_nul_is_left_out() {
        assert_eq!(kept("a\0b", 10), "ab");
        assert_eq!(kept("müde", 2), "m");
        assert_eq!(kept("müde", 3), "mü");
    }
}

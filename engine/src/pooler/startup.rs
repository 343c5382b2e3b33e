//! The first message of a connection: what a pooler is told, and what it would refuse and each transaction is told instead.

use super::message;

/// What every pooler takes, and keeps for each of its clients.
const KEPT: [&[u8]; 6] =
    [b"user", b"database", b"application_name", b"client_encoding", b"DateStyle", b"TimeZone"];

/// A connection as it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Startup {
    /// What the pooler is told.
    pub(super) message: Vec<u8>,
    /// The settings of the session, as names and values.
    pub(super) settings: Vec<(String, String)>,
}

impl Startup {
    /// Reads the body of a first message; none where it begins no session.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        // Version 3 of the protocol. What begins otherwise asks for encryption or cancels.
        let mut rest = body.strip_prefix(&[0, 3, 0, 0])?;
        let (mut parameters, mut settings) = (Vec::new(), Vec::new());
        while let Some((name, after)) = message::text(rest)
            && !name.is_empty()
        {
            let (value, after) = message::text(after)?;
            if name == b"options" {
                settings.extend(in_options(&String::from_utf8_lossy(value)));
            } else if KEPT.contains(&name) {
                parameters.extend([name, b"\0", value, b"\0"].concat());
            }
            // extra_float_digits is left out: what it asks for is the server's default since Postgres 12.
            rest = after;
        }
        let mut message = Vec::new();
        message::write_body(&mut message, &[&[0, 3, 0, 0], &parameters, b"\0"]);
        Some(Self { message, settings })
    }
}

/// The settings in the text of `options`, as the server reads them: `-c name=value` or `--name=value`, with a backslash
/// before spaces that are part of a value.
fn in_options(text: &str) -> Vec<(String, String)> {
    let mut words = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => words.last_mut().into_iter().for_each(|word| word.extend(letters.next())),
            ' ' => words.push(String::new()),
            other => words.last_mut().into_iter().for_each(|word| word.push(other)),
        }
    }
    let setting = |word: &String| {
        let word = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).unwrap_or(word);
        let (name, value) = word.split_once('=')?;
        Some((name.replace('-', "_"), value.to_owned()))
    };
    words.iter().filter_map(setting).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(options: &str) -> Vec<String> {
        in_options(options).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn options_are_read_as_the_server_reads_them() {
        assert_eq!(settings("-c jit=off -c lock_timeout=100ms"), ["jit=off", "lock_timeout=100ms"]);
        assert_eq!(settings("--search-path=a -cjit=off"), ["search_path=a", "jit=off"]);
        assert_eq!(settings(r"-c DateStyle=ISO,\ MDY -c a=\\"), ["DateStyle=ISO, MDY", r"a=\"]);
        assert_eq!(settings(""), [""; 0]);
    }

    #[test]
    fn a_pooler_is_told_only_what_every_pooler_takes() {
        let body =
            b"\0\x03\0\0user\0me\0database\0mine\0extra_float_digits\x002\0options\0-c jit=off\0\0";
        let startup = Startup::read(body).unwrap();
        let mut told = Vec::new();
        message::write_body(&mut told, &[b"\0\x03\0\0user\0me\0database\0mine\0\0"]);
        assert_eq!(startup.message, told);
        assert_eq!(startup.settings, [("jit".to_owned(), "off".to_owned())]);
    }

    #[test]
    fn what_begins_no_session_is_not_read() {
        assert_eq!(Startup::read(&[4, 210, 22, 47]), None, "a wish for encryption");
    }
}
